"""How like a name is to what somebody typed: Quay's measure (that of the library LiquidMetal), from 0 to 1.

Each letter of the query has to appear in the name, in order. A letter that is met counts in full, also for the mark
before it if it begins a word; what is passed over counts nothing, unless it is passed to reach the beginning of a word;
what is left behind the last one counts nearly in full, a little more if the name's first letter was met.
"""

import math

MET = 1.0
REST_OF_A_BEGINNING = 0.9
PASSED_TO_A_WORD = 0.85
REST = 0.8
_MARKS = " \t_-"


def likeness(name: str, query: str) -> float:
    """1 if they are the same, 0 if the name has not all letters of the query in order."""
    if not query:
        return REST
    values: list[float] = []
    letters = name.lower()
    for letter in query.lower():
        place = letters.find(letter, len(values))
        if place < 0:
            return 0.0
        passed = place - len(values)
        if place and name[place - 1] in _MARKS and passed:
            values += [PASSED_TO_A_WORD] * (passed - 1) + [MET]
        else:
            values += [PASSED_TO_A_WORD if name[place].isupper() else 0.0] * passed
        values.append(MET)
    rest = REST_OF_A_BEGINNING if letters.startswith(query[0].lower()) else REST
    values += [rest] * (len(name) - len(values))
    return math.fsum(values) / len(name)
