"""The factors of synthetic faces, and the attributes that follow from them.

Every factor is visible for all values of the others: a bald head has a rim of hair with a colour, a length
and a wave, and `bangs` on a bald head are a forelock.
"""

import numpy as np
from jaxtyping import Bool, Float32

from zatlas.core.errors import BadData
from zatlas.core.seeds import stream

Unit = Float32[np.ndarray, "n"]
Flag = Bool[np.ndarray, "n"]

HAIR_COLOURS = ("gray", "black", "brown", "blond")
CHUNK = 1024  # rows of one random stream, so that a larger dataset begins with the smaller one

# Continuous factors and their ranges; values are uniform.
RANGES: dict[str, tuple[float, float]] = {
    "skin_tone": (0, 1),  # pale to deep
    "face_width": (0, 1),
    "age": (0, 1),  # lines, bags under the eyes, graying brows
    "hair_length": (0, 1),  # cropped to below the shoulders
    "hair_wave": (0, 1),  # straight to curly outline
    "smile": (-1, 1),  # frown to smile
    "mouth_open": (0, 1),
    "eye_size": (0, 1),
    "eye_colour": (0, 1),  # dark brown, hazel, green, blue
    "brow_thickness": (0, 1),
    "brow_arch": (0, 1),
    "nose_size": (0, 1),
    "blush": (0, 1),
    "pose_x": (-1, 1),  # turned to the left or right of the image
    "pose_y": (-1, 1),  # chin up or down
    "background_hue": (0, 1),
    "clothes_hue": (0, 1),
}
# Boolean factors and their probabilities.
PROBABILITIES: dict[str, float] = {
    "male": 0.5,
    "bald": 0.2,
    "bangs": 0.5,
    "beard": 0.35,
    "glasses": 0.35,
    "earrings": 0.3,
}
NAMES = (*RANGES, *PROBABILITIES, "hair_colour")


def factors(count: int, *, seed: int, correlated: bool = False) -> dict[str, np.ndarray]:
    """Return random factors; the first k rows do not depend on `count`.

    They are independent by default. If `correlated`, men have more beards, baldness and heavy brows, and
    shorter hair; older faces have more gray hair, glasses and baldness; pale skin goes with blond hair and
    deep skin with black hair; smiling mouths are more often open.
    """
    if count < 0:
        raise BadData(f"The number of faces must be 0 or more, not {count}.")
    chunks = max(1, -(-count // CHUNK))
    rows = [stream(seed, "faces", i).random((CHUNK, len(NAMES)), np.float32) for i in range(chunks)]
    table = np.concatenate(rows)
    raw = {name: np.ascontiguousarray(table[:, column]) for column, name in enumerate(NAMES)}
    table_of = correlated_factors(raw) if correlated else independent(raw)
    # Cut after the arithmetic on complete chunks, so that a prefix is equal to the bit.
    return {name: table_of[name][:count].copy() for name in NAMES}


def attributes(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return boolean attributes with the names of CelebA (https://arxiv.org/abs/1411.7766), and the factors.

    Attributes of continuous factors are thresholds on them.
    """
    count_checked(factors)
    colour = factors["hair_colour"]
    return {
        "Arched_Eyebrows": factors["brow_arch"] > 0.6,
        "Bald": factors["bald"].copy(),
        "Bangs": factors["bangs"].copy(),
        "Big_Nose": factors["nose_size"] > 0.65,
        "Black_Hair": colour == "black",
        "Blond_Hair": colour == "blond",
        "Brown_Hair": colour == "brown",
        "Bushy_Eyebrows": factors["brow_thickness"] > 0.65,
        "Eyeglasses": factors["glasses"].copy(),
        "Gray_Hair": colour == "gray",
        "Male": factors["male"].copy(),
        "Mouth_Slightly_Open": factors["mouth_open"] > 0.4,
        "Narrow_Eyes": factors["eye_size"] < 0.25,
        "No_Beard": ~factors["beard"],
        "Oval_Face": factors["face_width"] < 0.45,
        "Pale_Skin": factors["skin_tone"] < 0.2,
        "Rosy_Cheeks": factors["blush"] > 0.6,
        "Smiling": factors["smile"] > 0.1,
        "Straight_Hair": factors["hair_wave"] < 0.3,
        "Wavy_Hair": factors["hair_wave"] > 0.5,
        "Wearing_Earrings": factors["earrings"].copy(),
        "Young": factors["age"] < 0.5,
        **{name: factors[name].copy() for name in RANGES},
        "hair_colour": colour.copy(),
    }


def count_checked(factors: dict[str, np.ndarray]) -> int:
    """Return the number of rows; `BadData` if a factor is missing or invalid."""
    missing = [name for name in NAMES if name not in factors]
    if missing:
        raise BadData(
            f"Faces need the factors {', '.join(missing)}, too. Start from factors(count, seed=0) and "
            "replace columns."
        )
    shapes = {name: np.shape(factors[name]) for name in NAMES}
    count = len(factors[NAMES[0]])
    wrong = [f"{name} {shape}" for name, shape in shapes.items() if shape != (count,)]
    if wrong:
        raise BadData(f"Each factor must have the shape ({count},); not so {', '.join(wrong)}.")
    invalid = [name for name in (*RANGES, *PROBABILITIES) if not np.isfinite(factors[name]).all()]
    if invalid:
        raise BadData(f"Factors with NaN or infinity: {', '.join(invalid)}.")
    unknown = sorted(set(factors["hair_colour"].tolist()) - set(HAIR_COLOURS))
    if unknown:
        raise BadData(f"hair_colour must be one of {', '.join(HAIR_COLOURS)}, not {unknown[0]!r}.")
    return count


def independent(raw: dict[str, Unit]) -> dict[str, np.ndarray]:
    """Return independent factors: uniform in their range, or true with their probability."""
    factors = {name: scaled(raw[name], *ends) for name, ends in RANGES.items()}
    factors |= {name: raw[name] < np.float32(share) for name, share in PROBABILITIES.items()}
    index = (raw["hair_colour"] * len(HAIR_COLOURS)).astype(np.int64)
    return factors | {"hair_colour": np.array(HAIR_COLOURS)[index]}


def correlated_factors(raw: dict[str, Unit]) -> dict[str, np.ndarray]:
    """Return correlated factors: exponents skew the ranges, and probabilities depend on other factors."""
    made = independent(raw)
    male, age, smile = made["male"], made["age"], raw["smile"]
    made["hair_length"] = skewed(raw["hair_length"], male, 3.0, 0.5)
    made["brow_thickness"] = skewed(raw["brow_thickness"], male, 0.6, 1.6)
    made["brow_arch"] = skewed(raw["brow_arch"], male, 1.6, 0.6)
    made["face_width"] = skewed(raw["face_width"], male, 0.7, 1.4)
    made["nose_size"] = skewed(raw["nose_size"], male, 0.7, 1.4)
    made["blush"] = raw["blush"] * (1 - np.float32(0.5) * age)
    made["mouth_open"] = np.float32(0.5) * (raw["mouth_open"] + smile)
    made["beard"] = raw["beard"] < np.where(male, 0.55, 0.02)
    made["bald"] = raw["bald"] < np.where(male, 0.03 + 0.5 * age**2, 0.01)
    made["bangs"] = raw["bangs"] < np.where(male, 0.25, 0.5)
    made["earrings"] = raw["earrings"] < np.where(male, 0.06, 0.6)
    made["glasses"] = raw["glasses"] < 0.12 + 0.35 * age
    made["hair_colour"] = hair_colours(raw["hair_colour"], age, made["skin_tone"])
    return made


def hair_colours(raw: Unit, age: Unit, skin: Unit) -> np.ndarray:
    """Return hair colours: gray depends on age, black on deep skin and blond on pale skin."""
    gray = 0.02 + 0.88 * np.clip((age - 0.5) / 0.45, 0, 1)
    black = gray + (1 - gray) * (0.2 + 0.65 * skin)
    blond = 1 - (1 - gray) * 0.45 * np.clip(1 - 1.6 * skin, 0, 1)
    index = np.select([raw < gray, raw < black, raw >= blond], [0, 1, 3], 2)
    names: np.ndarray = np.array(HAIR_COLOURS)[index]
    return names


def scaled(raw: Unit, low: float, high: float) -> Unit:
    """Scale numbers from [0, 1] to [low, high]."""
    result: Unit = np.float32(low) + np.float32(high - low) * raw
    return result


def skewed(raw: Unit, flag: Flag, where: float, elsewhere: float) -> Unit:
    """Return a power of the numbers: a power below 1 moves them towards 1, one above 1 towards 0."""
    power = np.where(flag, np.float32(where), np.float32(elsewhere))
    result: Unit = (raw**power).astype(np.float32)
    return result
