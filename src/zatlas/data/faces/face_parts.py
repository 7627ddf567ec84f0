"""Draw the parts of a face: nose, wrinkles, moustache, mouth, eyes, brows, glasses and earrings."""

import numpy as np

from zatlas.data.faces.face import EYES, INK, WHITE, Face
from zatlas.data.faces.shapes import Canvas, distance, glow, inside, mix, oval, ramp, stroke


def nose(canvas: Canvas, s: Face) -> None:
    """Draw the nose: its shade, its base and a highlight."""
    size = s.row["nose_size"]
    x, y = s.face_x + 0.045 * s.turn, s.face_y + 0.155 + 0.02 * s.row["pose_y"]
    rx = 0.036 + 0.066 * size
    glow(canvas, x + 0.012, y - 0.005, rx * 1.5, rx * 1.2, mix(s.shade, (200, 70, 60), 0.25), 0.8)
    stroke(canvas, x, y + 0.03 + 0.012 * size, rx, 0.012 + 0.008 * size, s.line, bend=-0.03)
    glow(canvas, x - 0.012, y - 0.02, rx * 0.7, rx * 0.6, mix(s.skin, WHITE, 0.7), 0.7)


def wrinkles(canvas: Canvas, s: Face) -> None:
    """Draw lines on the forehead, next to the mouth and at the eyes, and bags under the eyes."""
    worn = np.clip(s.row["age"] * 1.35 - 0.35, 0, 1) * 0.75
    thin = 0.014
    for height, reach in ((-0.30, 0.17), (-0.365, 0.13)):
        stroke(canvas, s.face_x, s.face_y + height, reach, thin, s.line, bend=-0.012, blunt=True, alpha=worn)
    for side, x, near in s.eyes():
        reach = 0.085
        stroke(canvas, x, s.face_y + 0.125, reach, thin, s.line, bend=-0.025, alpha=worn)
        fold = s.face_x + 0.135 * side * near
        stroke(
            canvas,
            fold,
            s.face_y + 0.225,
            0.05,
            thin * 1.3,
            s.line,
            tilt=0.06 * side,
            bend=0.02,
            alpha=worn * 0.75,
        )
        for tilt in (-0.02, 0.025):
            stroke(
                canvas,
                x + 0.155 * side,
                s.face_y + 1.1 * tilt,
                reach * 0.4,
                thin,
                s.line,
                tilt=tilt * side,
                alpha=worn,
            )


def moustache(canvas: Canvas, s: Face) -> None:
    """Draw two strokes under the nose."""
    x = s.face_x + 0.02 * s.turn
    for side in (-1.0, 1.0):
        stroke(
            canvas,
            x + 0.07 * side,
            s.face_y + 0.245,
            0.105,
            0.032,
            mix(s.beard, INK, 0.15),
            tilt=0.03 * side,
            bend=0.01,
            alpha=s.row["beard"],
        )


def mouth(canvas: Canvas, s: Face) -> None:
    """Draw the lips around a band; its lower edge falls as it opens, and its ends rise in a smile."""
    smile, wide = s.row["smile"], s.row["mouth_open"]
    x, y = s.face_x + 0.015 * s.turn, s.face_y + 0.30
    reach = 0.125 + 0.045 * np.maximum(smile, 0)
    bend, gap = -0.085 * smile, 0.012 + 0.075 * np.clip(wide * 1.25 - 0.2, 0, 1)
    y = y + 0.035 * smile - 0.3 * gap
    full = 0.024 - 0.008 * s.male
    lips = mix(mix(s.skin, (196, 48, 66), 0.72), s.line, s.male * 0.75)
    lips = mix(lips, (206, 112, 104), s.row["beard"] * 0.5)
    stroke(canvas, x, y + gap, reach + 0.02, gap + full, lips, bend=bend - gap)
    stroke(canvas, x, y + gap, reach, gap, (96, 28, 40), bend=bend - gap)
    parted = np.clip(wide * 4 - 1, 0, 1)
    teeth = np.minimum(gap * 0.8, 0.022)
    stroke(canvas, x, y + teeth + 0.004, reach * 0.86, teeth, WHITE, bend=bend * 0.74 - teeth, alpha=parted)
    tongue = np.minimum(gap * 0.4, 0.03)
    stroke(
        canvas,
        x,
        y + 2 * gap - tongue - 0.004,
        reach * 0.6,
        tongue,
        (222, 92, 98),
        bend=(bend - 2 * gap) * 0.36 + tongue,
        alpha=parted,
    )


def eyes(canvas: Canvas, s: Face) -> None:
    """Draw white, iris, pupil, highlight and lid, with lashes for women."""
    ry = 0.042 + 0.062 * s.row["eye_size"]
    iris = 0.040 + 0.032 * s.row["eye_size"]
    lash = 0.028 - 0.010 * s.male
    y = s.face_y + 0.02
    for side, x, near in s.eyes():
        rx = 0.098 * near
        look = x + 0.02 * s.turn
        oval(canvas, x, y, rx, ry, WHITE)
        oval(canvas, look, y, iris, np.minimum(iris, ry), ramp(EYES, s.row["eye_colour"]))
        oval(canvas, look, y, iris * 0.55, np.minimum(iris * 0.55, ry), INK)
        oval(canvas, look - iris * 0.38, y - np.minimum(iris, ry) * 0.42, iris * 0.36, iris * 0.36, WHITE)
        stroke(canvas, x, y - ry + 0.004, rx * 1.12, lash, INK, bend=ry * 0.85, blunt=True)
        flick = x + side * rx * 1.12
        stroke(canvas, flick, y - ry * 0.42, 0.045, lash * 0.7, INK, tilt=-0.04 * side, alpha=1 - s.male)


def brows(canvas: Canvas, s: Face) -> None:
    """Draw the eyebrows; they turn gray with age."""
    half = 0.013 + 0.032 * s.row["brow_thickness"] + 0.010 * s.male
    arch = s.row["brow_arch"]
    for side, x, near in s.eyes():
        y = s.face_y - 0.135 - 0.03 * arch + 0.018 * s.male
        stroke(
            canvas,
            x + 0.012 * side,
            y,
            0.125 * near,
            half,
            s.brow,
            bend=0.012 + 0.06 * arch,
            tilt=0.012 * side * (1 - 1.5 * arch),
            blunt=True,
        )


def worn(canvas: Canvas, s: Face) -> None:
    """Draw earrings and glasses."""
    frame, glasses = (48, 44, 62), s.row["glasses"]
    thick = 0.017
    for side, x, near in s.eyes():
        y = s.face_y + 0.025
        rx, ry = 0.158 * near, 0.145
        part = canvas.crop(x - rx - thick, x + rx + thick, y - ry - thick, y + ry + thick)
        far = distance(part.x - x, part.y - y, rx, ry, 2.7, part.pixel)
        ring = inside(np.abs(far) - thick / part.pixel)
        part.paint(inside(far), (226, 244, 255), glasses * 0.16)
        part.paint(ring, frame, glasses)
        outer = x + side * (rx + 0.055)
        stroke(canvas, outer, y - 0.03, 0.06, thick, frame, tilt=-0.01 * side, blunt=True, alpha=glasses)
        ear = s.x - 0.03 * s.turn + side * (s.width + 0.012)
        low = s.y + 0.195 - 0.03 * s.row["pose_y"]
        ball = 0.043
        oval(canvas, ear, low, ball, ball, (236, 178, 52), s.row["earrings"])
        oval(canvas, ear - 0.012, low - 0.014, ball * 0.35, ball * 0.35, WHITE, s.row["earrings"])
    stroke(canvas, s.face_x, s.face_y + 0.005, 0.07, thick, frame, bend=0.02, blunt=True, alpha=glasses)
