// Grows with the first type of this module.
