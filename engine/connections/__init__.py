"""How a company is connected to a vendor: settings, secrets, permission, agents, and how each connection stands."""
