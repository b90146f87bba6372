#include "loader/guard.h"

#include <google/protobuf/io/coded_stream.h>

namespace quadlane {

bool parse_proto(std::span<const std::byte> bytes, google::protobuf::MessageLite* message, int max_depth) {
  if (bytes.size() > INT_MAX) return false;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(max_depth);
  return message->ParsePartialFromCodedStream(&input) && input.ConsumedEntireMessage() && message->IsInitialized();
}

}  // namespace quadlane
