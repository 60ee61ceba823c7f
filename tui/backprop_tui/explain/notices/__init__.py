"""What people get wrong when they train, told where it happens: from records alone."""
