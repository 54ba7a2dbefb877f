"""Nobody asks for it in the workload; nor does anybody for what it imports."""

import cmath
import fractions
import math


def changed(degrees):
    radians = math.radians(degrees)
    turns = fractions.Fraction(degrees) / 360
    return {"radians": round(radians, 4), "turns": str(turns), "real": round(cmath.rect(1, radians).real, 4)}
