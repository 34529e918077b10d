"""Many companies on one store: simulated Web Connectors and vendors against several processes, some of them killed."""
