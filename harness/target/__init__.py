"""What boots and emits bytes: an emulator, a line, a recorded log, a script."""
