// The door: exceptions of protobuf and the allocator end here. Internal to loader/: sees protobuf.
#pragma once

#include <google/protobuf/message_lite.h>

#include <climits>
#include <new>
#include <span>

#include "engine/base/status.h"

namespace quadlane {

template <class F>
auto guarded(F body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return make_error(Code::out_of_memory, "out of memory");
  } catch (const std::exception& e) {
    return make_error(Code::internal, "loader: ", e.what());
  }
}

// Whether all bytes are one message. Never prints, unlike protobuf's own ParseFromArray.
bool parse_proto(std::span<const std::byte> bytes, google::protobuf::MessageLite* message);

}  // namespace quadlane
