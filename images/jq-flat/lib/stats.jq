def mean: add / length;
def spread: max - min;
