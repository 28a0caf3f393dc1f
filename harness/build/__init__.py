"""Board and binaries -> the files of one boot."""
