"""How the models that Burnish ships are made."""
