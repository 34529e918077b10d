"""What a preview is made of: source fields that expressions read, what they ask for, and where mapped values land."""
