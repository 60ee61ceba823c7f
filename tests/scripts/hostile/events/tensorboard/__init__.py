"""Has the threads of the real one (tensorboard/summary/writer/event_file_writer.py), and writes lines of text."""
