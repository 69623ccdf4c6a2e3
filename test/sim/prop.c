#include "prop.h"
bool prop_run(struct run *r, uint64_t seed) { (void)r; (void)seed; return true; }
