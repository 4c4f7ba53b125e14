"""The stack engine: a pure core that plans, guards and explains, and one edge that calls AWS."""
