// Devices and streams as Python objects.
#pragma once

#include <optional>

#include "object.h"
#include "olivine/device.h"

namespace olivine::python {

// From a Stream, a Device or a DeviceType; nullopt: none of these.
std::optional<StreamOrDevice> to_stream_or_device(PyObject* o);
bool is_device(PyObject* o);  // or a DeviceType
void bind_device(nb::module_& m);

}  // namespace olivine::python
