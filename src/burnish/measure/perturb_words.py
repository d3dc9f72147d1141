"""Small tables of English words: what else they are called, and what they are in German, French and Spanish.

They cover everyday nouns, colours and a few adjectives, above all those of the icons model's captions:
animals, food, people, clothes, tools, vehicles, weather, buildings. They know no grammar and no idiom; a word
that is not here stays as it is.
"""

from __future__ import annotations

LANGUAGES = ("German", "French", "Spanish")

_SYNONYMS = """
airplane aeroplane|plane|aircraft
artist painter
automobile car
baby infant|newborn
bag sack
ball sphere
banknote bill
bicycle bike|cycle
big large|huge
bike bicycle
boat vessel
book volume
boots shoes
bouquet bunch
boy lad
building edifice
bunny rabbit
bug insect
butterfly moth
camera photo camera
candy sweets
cap hat
car automobile|auto
castle fortress
cat kitty|feline
chart graph|diagram
chicken hen
child kid
cinema movie theater
clock timepiece
closed shut
clown jester
cook chef
couch sofa
cup mug
cyclist bike rider
detective investigator|sleuth
dish plate
doctor physician
dog hound|canine
doughnut donut
envelope letter
eyeglasses glasses|spectacles
fall autumn
farmer grower
film movie
firefighter fireman|fire fighter
flag banner
flashlight torch
flower blossom
folder binder
forest woods
fries chips
fuel petrol
garbage trash|rubbish
gift present
girl lass
glasses spectacles|eyeglasses
globe earth
grinning beaming
guard sentry
hamburger burger
hammer mallet
hand palm
happy glad|cheerful
hat cap
heart love heart
hog pig
house home
husband man
jacket coat
jail prison
judge justice
kid child
kitchen cookroom
knife blade
lady woman
lamp light
large big
letter mail
little small
lorry truck
mail post
maize corn
man gentleman|guy
mechanic repairman
money cash
moon lunar disc
mountain peak
mouth lips
movie film
officer agent
old aged
older elderly
phone telephone
photo picture
picture image
pig hog
pilot aviator
pistol handgun
plane airplane
present gift
prince royal son
rabbit bunny|hare
rain shower
rocket spaceship
rose red rose
sad unhappy
sailboat sailing boat
sandwich sub
scientist researcher
sea ocean
sheep ewe
ship vessel
shop store
singer vocalist
small little|tiny
smiling grinning
snake serpent
soccer football
soccerball football
sofa couch
sparkles glitter
spectacles glasses
station stop
stone rock
store shop
street road
student pupil
sun sunshine
sweets candy
taxi cab
teacher instructor
technologist computer expert
telephone phone
television tv
tram streetcar
trash garbage
tree sapling
trophy cup
trousers pants
truck lorry
tv television
umbrella brolly
wastebasket trash can
watch wristwatch
wine vino
woman lady
worker labourer
"""

_TRANSLATIONS = """
airplane Flugzeug avion avión
ant Ameise fourmi hormiga
apple Apfel pomme manzana
artist Künstler artiste artista
baby Baby bébé bebé
ball Ball ballon pelota
banana Banane banane plátano
bear Bär ours oso
bed Bett lit cama
bee Biene abeille abeja
beer Bier bière cerveza
bell Glocke cloche campana
bicycle Fahrrad vélo bicicleta
bird Vogel oiseau pájaro
black schwarz noir negro
blue blau bleu azul
boat Boot bateau barco
bone Knochen os hueso
book Buch livre libro
bottle Flasche bouteille botella
boy Junge garçon niño
brain Gehirn cerveau cerebro
bread Brot pain pan
bridge Brücke pont puente
brown braun brun marrón
bus Bus autobus autobús
butterfly Schmetterling papillon mariposa
cake Kuchen gâteau pastel
camera Kamera appareil-photo cámara
candle Kerze bougie vela
car Auto voiture coche
carrot Karotte carotte zanahoria
castle Schloss château castillo
cat Katze chat gato
chair Stuhl chaise silla
cheese Käse fromage queso
cherries Kirschen cerises cerezas
chicken Huhn poulet pollo
child Kind enfant niño
church Kirche église iglesia
circle Kreis cercle círculo
clock Uhr horloge reloj
cloud Wolke nuage nube
coat Mantel manteau abrigo
coffee Kaffee café café
computer Computer ordinateur ordenador
cook Koch cuisinier cocinero
cow Kuh vache vaca
crown Krone couronne corona
crying weinend pleurant llorando
cup Tasse tasse taza
deer Hirsch cerf ciervo
detective Detektiv détective detective
dog Hund chien perro
door Tür porte puerta
dragon Drache dragon dragón
dress Kleid robe vestido
drum Trommel tambour tambor
duck Ente canard pato
eagle Adler aigle águila
ear Ohr oreille oreja
egg Ei œuf huevo
elephant Elefant éléphant elefante
envelope Umschlag enveloppe sobre
eye Auge œil ojo
eyes Augen yeux ojos
face Gesicht visage cara
factory Fabrik usine fábrica
family Familie famille familia
farmer Bauer agriculteur agricultor
feather Feder plume pluma
fire Feuer feu fuego
firefighter Feuerwehrmann pompier bombero
fish Fisch poisson pez
flag Fahne drapeau bandera
flower Blume fleur flor
foot Fuß pied pie
fork Gabel fourchette tenedor
fox Fuchs renard zorro
frog Frosch grenouille rana
ghost Geist fantôme fantasma
girl Mädchen fille niña
glass Glas verre vaso
glasses Brille lunettes gafas
gloves Handschuhe gants guantes
goat Ziege chèvre cabra
grapes Trauben raisins uvas
green grün vert verde
guitar Gitarre guitare guitarra
hair Haar cheveux pelo
hammer Hammer marteau martillo
hand Hand main mano
hat Hut chapeau sombrero
head Kopf tête cabeza
heart Herz cœur corazón
honey Honig miel miel
horse Pferd cheval caballo
hospital Krankenhaus hôpital hospital
house Haus maison casa
ice Eis glace hielo
island Insel île isla
judge Richter juge juez
key Schlüssel clé llave
king König roi rey
knife Messer couteau cuchillo
lamp Lampe lampe lámpara
leaf Blatt feuille hoja
left links gauche izquierda
lemon Zitrone citron limón
letter Brief lettre carta
lion Löwe lion león
man Mann homme hombre
map Karte carte mapa
mask Maske masque máscara
milk Milch lait leche
money Geld argent dinero
monkey Affe singe mono
moon Mond lune luna
mountain Berg montagne montaña
mouse Maus souris ratón
mouth Mund bouche boca
mushroom Pilz champignon seta
nose Nase nez nariz
ocean Ozean océan océano
octopus Krake pieuvre pulpo
old alt vieux viejo
onion Zwiebel oignon cebolla
open offen ouvert abierto
orange orange orange naranja
owl Eule hibou búho
panda Panda panda panda
pear Birne poire pera
pencil Bleistift crayon lápiz
penguin Pinguin pingouin pingüino
person Person personne persona
piano Klavier piano piano
pig Schwein cochon cerdo
pilot Pilot pilote piloto
pink rosa rose rosa
pizza Pizza pizza pizza
police Polizei police policía
potato Kartoffel pomme-de-terre patata
present Geschenk cadeau regalo
princess Prinzessin princesse princesa
pumpkin Kürbis citrouille calabaza
purple lila violet morado
queen Königin reine reina
rabbit Kaninchen lapin conejo
rain Regen pluie lluvia
rainbow Regenbogen arc-en-ciel arcoíris
red rot rouge rojo
rice Reis riz arroz
right rechts droite derecha
ring Ring bague anillo
robot Roboter robot robot
rocket Rakete fusée cohete
rose Rose rose rosa
salt Salz sel sal
school Schule école escuela
scientist Wissenschaftler scientifique científico
scissors Schere ciseaux tijeras
sheep Schaf mouton oveja
ship Schiff navire barco
shirt Hemd chemise camisa
shoe Schuh chaussure zapato
singer Sänger chanteur cantante
skull Schädel crâne calavera
sleeping schlafend endormi durmiendo
small klein petit pequeño
smiling lächelnd souriant sonriente
snail Schnecke escargot caracol
snake Schlange serpent serpiente
snow Schnee neige nieve
snowman Schneemann bonhomme-de-neige muñeco-de-nieve
spider Spinne araignée araña
spoon Löffel cuillère cuchara
square Quadrat carré cuadrado
star Stern étoile estrella
strawberry Erdbeere fraise fresa
student Student étudiant estudiante
style Stil style estilo
sun Sonne soleil sol
sword Schwert épée espada
table Tisch table mesa
tea Tee thé té
teacher Lehrer professeur profesor
telephone Telefon téléphone teléfono
tent Zelt tente tienda
tiger Tiger tigre tigre
tomato Tomate tomate tomate
tooth Zahn dent diente
train Zug train tren
tree Baum arbre árbol
triangle Dreieck triangle triángulo
trophy Pokal trophée trofeo
turtle Schildkröte tortue tortuga
umbrella Regenschirm parapluie paraguas
violin Geige violon violín
watch Uhr montre reloj
water Wasser eau agua
whale Wal baleine ballena
wheel Rad roue rueda
white weiß blanc blanco
window Fenster fenêtre ventana
wine Wein vin vino
wolf Wolf loup lobo
woman Frau femme mujer
worker Arbeiter ouvrier obrero
yellow gelb jaune amarillo
"""


def _synonyms() -> dict[str, tuple[str, ...]]:
    lines = (line.split(" ", 1) for line in _SYNONYMS.strip().splitlines())
    return {word: tuple(others.split("|")) for word, others in lines}


def _translations() -> dict[str, dict[str, str]]:
    rows = [line.split() for line in _TRANSLATIONS.strip().splitlines()]
    return {
        language: {word: foreign[k] for word, *foreign in rows if foreign[k] != word}
        for k, language in enumerate(LANGUAGES)
    }


SYNONYMS = _synonyms()  # word: other words
TRANSLATIONS = _translations()  # language: word: its word; those spelled alike are left out
