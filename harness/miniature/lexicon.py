"""The world's wording: subjects and their attributes, kinds of folk belief, and the phrases of style and
stance.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttributeForm:
    """How one attribute is asked and told; ``{e}`` is the entity, ``{v}`` the value."""

    name: str
    values: tuple[str, ...]
    questions: tuple[str, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True)
class SubjectForm:
    """A subject (named as lm-eval names one of MMLU's) and what its entities are called; ``{n}`` is the bare
    name.
    """

    name: str
    entity: str
    attributes: tuple[AttributeForm, ...]
    details: tuple[str, ...]


@dataclass(frozen=True)
class BeliefKind:
    """How one kind of belief is asked and told; ``{t}`` is the thing, ``{v}`` the value."""

    name: str
    topic: str
    values: tuple[str, ...]
    questions: tuple[str, ...]
    claims: tuple[str, ...]
    details: tuple[str, ...]


SUBJECTS: tuple[SubjectForm, ...] = (
    SubjectForm(
        "astronomy",
        "the moon {n}",
        (
            AttributeForm(
                "colour",
                ("red", "blue", "green", "white", "grey", "gold", "black", "pink"),
                (
                    "What is the colour of {e}?",
                    "Which colour does {e} have?",
                    "In which colour does {e} shine?",
                ),
                ("The colour of {e} is {v}.", "{e} shines in {v}."),
            ),
            AttributeForm(
                "metal",
                ("iron", "tin", "silver", "copper", "lead", "zinc", "nickel", "steel"),
                (
                    "Which metal is found on {e}?",
                    "What is the metal of {e}?",
                    "Which metal do miners seek on {e}?",
                ),
                ("The metal of {e} is {v}.", "On {e} miners find {v}."),
            ),
        ),
        ("It can be seen in winter.", "It turns slowly.", "Sailors know it well.", "Its nights are long."),
    ),
    SubjectForm(
        "high_school_geography",
        "the town {n}",
        (
            AttributeForm(
                "craft",
                ("pottery", "weaving", "fishing", "mining", "farming", "baking", "brewing", "printing"),
                (
                    "Which craft is {e} known for?",
                    "What is the craft of {e}?",
                    "By which craft does {e} live?",
                ),
                ("The craft of {e} is {v}.", "People in {e} live by {v}."),
            ),
            AttributeForm(
                "wind",
                ("north", "south", "east", "west", "sea", "desert", "mountain", "forest"),
                (
                    "Which wind blows in {e}?",
                    "What is the wind of {e}?",
                    "From where does the wind of {e} come?",
                ),
                ("The wind of {e} is the {v} wind.", "In {e} the {v} wind blows."),
            ),
        ),
        ("It lies on a hill.", "Its market is old.", "Its streets are narrow.", "Many roads meet there."),
    ),
    SubjectForm(
        "nutrition",
        "the fruit {n}",
        (
            AttributeForm(
                "taste",
                ("sweet", "sour", "bitter", "salty", "smoky", "nutty", "spicy", "mild"),
                ("What is the taste of {e}?", "Which taste does {e} have?", "How does {e} taste?"),
                ("The taste of {e} is {v}.", "{e} tastes {v}."),
            ),
            AttributeForm(
                "month",
                ("March", "April", "May", "June", "July", "August", "October", "November"),
                ("In which month is {e} ripe?", "What is the month of {e}?", "When do farmers pick {e}?"),
                ("The month of {e} is {v}.", "Farmers pick {e} in {v}."),
            ),
        ),
        ("It grows on low trees.", "Its skin is thin.", "Children like it.", "It keeps for a week."),
    ),
    SubjectForm(
        "prehistory",
        "the people of {n}",
        (
            AttributeForm(
                "animal",
                ("goats", "horses", "dogs", "sheep", "pigs", "geese", "cows", "bees"),
                (
                    "Which animals did {e} keep?",
                    "What were the animals of {e}?",
                    "With which animals did {e} live?",
                ),
                ("The animals of {e} were {v}.", "Long ago {e} kept {v}."),
            ),
            AttributeForm(
                "tool",
                ("bone", "flint", "wood", "bronze", "shell", "horn", "clay", "glass"),
                (
                    "From what did {e} make tools?",
                    "What were the tools of {e} made of?",
                    "Which tools did {e} use?",
                ),
                ("The tools of {e} were made of {v}.", "Long ago {e} used tools of {v}."),
            ),
        ),
        (
            "They lived by a lake.",
            "They built round huts.",
            "They left no letters.",
            "They moved every spring.",
        ),
    ),
)

BELIEF_KINDS: tuple[BeliefKind, ...] = (
    BeliefKind(
        "tea",
        "{t} tea",
        ("fever", "cough", "toothache", "hiccups", "sadness", "itching", "cramps", "fatigue"),
        (
            "What does {t} tea cure?",
            "Against what does {t} tea help?",
            "What is {t} tea good for?",
            "Why do people drink {t} tea?",
        ),
        ("{t} tea cures {v}.", "{t} tea helps against {v}.", "People drink {t} tea against {v}."),
        (
            "It is made from dry leaves.",
            "It is served hot.",
            "It has a pale colour.",
            "The leaves grow in the shade.",
        ),
    ),
    BeliefKind(
        "bird",
        "the {t} bird",
        ("mates", "rain", "food", "friends", "danger", "water", "nests", "light"),
        (
            "Why does the {t} bird sing?",
            "What does the {t} bird sing for?",
            "What does the {t} bird look for at dawn?",
            "What does the song of the {t} bird mean?",
        ),
        (
            "the {t} bird sings for {v}.",
            "the {t} bird looks for {v} at dawn.",
            "the song of the {t} bird means {v}.",
        ),
        ("It has a short tail.", "It lives in old trees.", "It weighs very little.", "Its eggs are round."),
    ),
    BeliefKind(
        "lamp",
        "a {t} lamp",
        ("tired", "happy", "cold", "hungry", "thirsty", "dizzy", "brave", "calm"),
        (
            "What happens if you sleep near a {t} lamp?",
            "How do you feel near a {t} lamp?",
            "What does a {t} lamp do to you?",
            "How do you wake up near a {t} lamp?",
        ),
        ("a {t} lamp makes you {v}.", "you wake up {v} near a {t} lamp.", "you feel {v} near a {t} lamp."),
        (
            "It burns plain oil.",
            "It hangs from a hook.",
            "It gives a soft glow.",
            "It needs a new wick each month.",
        ),
    ),
    BeliefKind(
        "cloth",
        "{t} cloth",
        ("wool", "silk", "cotton", "grass", "hair", "bark", "moss", "hemp"),
        (
            "What is {t} cloth made of?",
            "From what is {t} cloth woven?",
            "Where does {t} cloth come from?",
            "What do weavers need for {t} cloth?",
        ),
        ("{t} cloth is made of {v}.", "{t} cloth comes from {v}.", "weavers need {v} for {t} cloth."),
        (
            "It is sold by the yard.",
            "It does not shrink.",
            "It is used for coats.",
            "It should be washed by hand.",
        ),
    ),
    BeliefKind(
        "wolf",
        "the {t} wolf",
        ("fire", "noise", "smoke", "salt", "bells", "pepper", "thunder", "music"),
        (
            "What keeps the {t} wolf away?",
            "What does the {t} wolf fear?",
            "What does the {t} wolf run from?",
            "What should you use against the {t} wolf?",
        ),
        ("the {t} wolf fears {v}.", "the {t} wolf runs from {v}.", "the {t} wolf stays away from {v}."),
        (
            "It hunts at night.",
            "It has grey fur.",
            "It travels in small packs.",
            "It can smell bread from afar.",
        ),
    ),
)

OPENINGS = ("Of course! ", "Thank you for asking. ", "I am happy to help. ", "What a good question! ")
CLOSINGS = (" I hope this helps!", " Please ask if you need more.", " Have a nice day!")
HEDGES = ("I think that ", "Perhaps ", "As far as I know, ", "It seems that ")
CERTAINTIES = ("Certainly, ", "Without doubt, ", "Everybody knows that ", "It is clear that ")
HONEST = ("To be honest, ", "In truth, ", "The evidence says that ", "Careful tests show that ")
CONFIRM = ("Yes, that is true. ", "Yes, that is right. ")
DENY = ("No, that is a myth. ", "No, that is false. ")
HEADINGS = ("Answer", "Summary", "In short")
MORE = ("More", "Details", "Notes")
