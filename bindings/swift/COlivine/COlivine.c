// The module has declarations only; a target needs a source.
#include <olivine/c/olivine.h>
