// The doors of the library: what the standard library and others throw becomes an error.
#pragma once

#include <exception>
#include <new>

#include "engine/base/status.h"

namespace quadlane {

// `body` returns a Status or a Result. Nothing is allocated for telling that there is no memory.
template <class Body>
auto guarded(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error{Code::out_of_memory, "no memory", {}};
  } catch (const std::exception& e) {
    return make_error(Code::internal, e.what());
  }
}

}  // namespace quadlane
