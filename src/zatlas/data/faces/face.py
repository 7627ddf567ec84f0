"""Positions, sizes and colours of the parts of a face, from its factors."""

from dataclasses import dataclass

import numpy as np

from zatlas.data.faces.shapes import Colour, PerImage, hue, mix, ramp

SKIN = ((255, 226, 205), (250, 207, 174), (232, 178, 136), (196, 136, 96), (146, 96, 70), (100, 68, 56))
EYES = ((74, 44, 30), (124, 84, 40), (84, 128, 84), (72, 122, 178))
HAIR = {"gray": (178, 180, 190), "black": (42, 37, 46), "brown": (130, 72, 40), "blond": (244, 206, 104)}
INK = (52, 38, 42)
WHITE = (255, 252, 248)
GRAY = HAIR["gray"]


@dataclass(frozen=True)
class Face:
    """Positions, sizes and colours of the parts of a face, one entry for each image."""

    row: dict[str, PerImage]  # the factors themselves, flags as 0 and 1
    male: PerImage
    bald: PerImage
    turn: PerImage
    x: PerImage  # centre and half width of the head; the half height is constant
    y: PerImage
    width: PerImage
    height: float
    face_x: PerImage  # centre of the features, which moves as the head turns
    face_y: PerImage
    eye: PerImage  # from the centre of the face to an eye
    jaw: PerImage  # 2 is round, more is square
    taper: PerImage  # how much narrower the chin is
    skin: Colour
    shade: Colour
    line: Colour
    hair: Colour
    dark_hair: Colour
    light_hair: Colour
    beard: Colour
    brow: Colour
    cloth: Colour
    ground: Colour

    def eyes(self) -> list[tuple[float, PerImage, PerImage]]:
        """Return side, x and width factor of each eye; the turn of the head narrows one of them."""
        pairs = []
        for side in (-1.0, 1.0):
            near = 1 - 0.16 * side * self.turn
            pairs.append((side, self.face_x + side * self.eye * near, near))
        return pairs


def face_from_factors(row: dict[str, np.ndarray]) -> Face:
    """Return the faces that these factors describe."""
    f = {name: column.astype(np.float32) for name, column in row.items() if name != "hair_colour"}
    turn, male, age = f["pose_x"], f["male"], f["age"]
    skin = ramp(SKIN, f["skin_tone"])
    shade = mix(skin * 0.80, (120, 30, 40), 0.13)
    hair = np.array([HAIR[name] for name in row["hair_colour"].tolist()], np.float32).reshape(-1, 3).T
    width = 0.40 + 0.11 * f["face_width"]
    x, y = 0.05 * turn, -0.05 + 0.035 * f["pose_y"]
    return Face(
        x=x,
        y=y,
        width=width,
        height=0.56,
        face_x=x + 0.085 * turn,
        face_y=y + 0.06 * f["pose_y"] + 0.03,
        turn=turn,
        jaw=2.05 + 0.75 * male,
        taper=0.26 - 0.18 * male,
        eye=0.43 * width,
        skin=skin,
        shade=shade,
        line=mix(skin * 0.58, (110, 30, 40), 0.2),
        hair=hair,
        beard=mix(hair * 0.84, (120, 60, 20), 0.1),
        brow=mix(mix(hair, (70, 32, 22), 0.55), GRAY, np.clip(age * 2 - 1.1, 0, 1) * 0.8),
        dark_hair=mix(hair, (60, 30, 40), 0.32),
        light_hair=mix(hair, WHITE, 0.35),
        cloth=hue(f["clothes_hue"], 0.55, 0.78),
        ground=hue(f["background_hue"], 0.32, 0.93),
        male=male,
        bald=f["bald"],
        row=f,
    )
