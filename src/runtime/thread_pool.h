// One pool of threads for all work inside ops; its interface is public.
#pragma once

#include "olivine/parallel.h"
