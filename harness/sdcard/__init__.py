"""Images of SD cards: one is made for a board, or one that somebody else made is checked.

    made = make_image(request, Path("sd.img"), force=False, observer=Progress())
    report = verify(Path("sd.img"), board)

`making.py` writes, `image.py` and `filesystems.py` read without mounting, `contents.py` has what
was read, the modules `*_rules.py` say what must hold of it, `verify.py` brings them together.
"""
