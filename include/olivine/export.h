// Marks what the shared library shows.
#pragma once

#define OLIVINE_API __attribute__((visibility("default")))
