// Protobuf's door; see engine/base/guard.h for exceptions. Internal to loader/: sees protobuf.
#pragma once

#include <google/protobuf/arena.h>
#include <google/protobuf/message_lite.h>

#include <climits>
#include <span>

#include "engine/base/guard.h"
#include "loader/load.h"

namespace quadlane {

// A message whose parts are freed together: without an arena protobuf loses what an exception finds half made.
template <class Message>
struct OnArena {
  OnArena() = default;
  OnArena(const OnArena&) = delete;
  google::protobuf::Arena arena;
  Message* const message = google::protobuf::Arena::CreateMessage<Message>(&arena);
};

// Whether all bytes are one message. Never prints, unlike protobuf's own ParseFromArray.
bool parse_proto(std::span<const std::byte> bytes, google::protobuf::MessageLite* message,
                 int max_depth = LoadOptions().max_message_depth);

}  // namespace quadlane
