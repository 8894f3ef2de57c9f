"""Makes the models and expected numbers of all families, or of those that are named.

    python3 scripts/reference/make.py OUT [FAMILY..]
"""

import importlib
import pathlib
import sys

FAMILIES = ["florence2", "variants", "detr_kin", "prompted", "encoders"]

if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for family in sys.argv[2:] or FAMILIES:
        importlib.import_module(family).make(out)
        print(f"made {family}", file=sys.stderr)
