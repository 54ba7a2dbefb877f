from decimal import Decimal


def changed(metres):
    return {"feet": str(round(Decimal(metres) / Decimal("0.3048"), 2))}
