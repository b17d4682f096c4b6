// A static program has no loader of its own: what it opened would bring the C library of whatever system it runs on
// beside its own. So drivers of devices are not there for it. (The linker warns of dlopen all the same.)
extern "C" void *dlopen(const char *, int) { return nullptr; }
