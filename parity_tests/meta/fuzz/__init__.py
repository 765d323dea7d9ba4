"""The fuzzer: hostile constructors, calls, orders and states, played on both sides.

- `subjects.py` knows how every public class and function is made and called well, and what is hostile.
- `programs.py` draws programs from that: lines of Python with good and hostile arguments in any order.
- `play.py` plays one program on both sides and says where they part.
- `python -m parity_tests.meta.fuzz 100000` is a campaign; `test_fuzz.py` a small one in `make test`.
"""
