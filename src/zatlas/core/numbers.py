"""Numbers as people read them: three significant digits."""

import math

DIGITS = 3
SMALLEST_PLAIN = 1e-4  # smaller numbers are written with an exponent


def significant(value: float, digits: int = DIGITS) -> str:
    """Return a number with that many significant digits; whole digits are never dropped.

    >>> [significant(value) for value in (0.123456, 1234.5, 12.0, -0.00012345, 1e-7)]
    ['0.123', '1,234', '12', '-0.000123', '1e-07']
    """
    if not math.isfinite(value):
        return "none" if math.isnan(value) else str(value)
    if value == 0 or float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) < SMALLEST_PLAIN:
        return f"{value:.{digits - 1}g}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: float, digits: int = 4) -> float:
    """Return the value with that many significant digits, for JSON."""
    return float(f"{value:.{digits}g}")
