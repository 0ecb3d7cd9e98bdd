"""What the texts of sources that disagree say: numbers, quantities in units, parts of addresses.

`numbers` reads a number and what stands around it, `units` brings one unit to another, `address`
takes an address apart. Each is a pure function that answers None for what it cannot read.
"""
