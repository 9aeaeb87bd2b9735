// Grows with the first simulation.
