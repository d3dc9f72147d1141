"""The suites for models that bring none: enough prompts for a verdict, of everything a little."""

from __future__ import annotations

from burnish.core.evidence import Prompt, Suite
from burnish.core.model import ModelCard

SELECTION, CONFIRMATION = 20, 64
SUBJECTS = [
    "a red apple",
    "a cat",
    "a house by the sea",
    "a blue car",
    "a mountain in snow",
    "a cup of coffee",
    "portrait of an old woman",
    "a man with a hat",
    "a dog in the park",
    "a robot",
    "a bowl of fruit",
    "a tree",
    "a city street at night",
    "a wooden chair",
    "a bird on a branch",
    "a sailing boat",
    "a birthday cake",
    "an astronaut",
    "a castle",
    "a field of flowers",
    "a guitar",
    "a bicycle",
    "a lighthouse",
    "a fox",
    "a train",
    "children playing football",
    "a market stall",
    "a desert at noon",
    "a bridge in fog",
    "a violin",
    "a teapot",
    "a horse",
    "a pair of shoes",
    "an open book",
    "a kitchen",
    "a waterfall",
    "a clock tower",
    "a plate of pasta",
    "a butterfly",
    "a snowman",
    "a farmer with a tractor",
    "a beach with palm trees",
    "a glass of wine",
    "a camel",
    "a red telephone box",
    "an elephant",
    "a doctor in a white coat",
    "a candle",
    "a helicopter",
    "a pumpkin",
    "a library",
    "a girl reading",
    "an umbrella in the rain",
    "a goldfish",
    "a campfire",
    "a piano",
    "a rose",
    "a police car",
    "a windmill",
    "a loaf of bread",
    "a turtle",
    "a carnival mask",
    "a skyscraper",
    "a suitcase",
    "a tiger",
    "a violinist on stage",
    "a vase of tulips",
    "a chess board",
    "a frozen lake",
    "a motorcycle",
    "an owl",
    "a rocket",
    "a wedding",
    "a hot air balloon",
    "a dragon",
    "a pencil drawing of a hand",
    "a lemon cut in half",
    "a ski slope",
    "a temple",
    "an abstract painting",
    "a cactus",
    "a shark",
    "a garden gate",
    "a kite",
]


def general_suite(card: ModelCard) -> Suite:
    """Prompts, classes, or seeds alone, whichever the model takes; two seeds each."""
    count = SELECTION + CONFIRMATION
    if card.reads_text:
        prompts = [Prompt(prompt=text) for text in SUBJECTS]
    elif card.classes:
        # Spread over the classes; where they are fewer, the number beside the class changes the seeds.
        step = max(1, card.classes // count)
        prompts = [
            Prompt(class_label=k * step % card.classes, prompt=str(k * step // card.classes))
            for k in range(count)
        ]
    else:
        prompts = [Prompt(prompt=str(k)) for k in range(1, count + 1)]
    return Suite(
        name="general",
        selection=tuple(prompts[:SELECTION]),
        confirmation=tuple(prompts[SELECTION:]),
        seeds=(0, 1),
    )
