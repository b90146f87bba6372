#include "loader/guard.h"

#include <google/protobuf/io/coded_stream.h>

namespace quadlane {

bool parse_proto(std::span<const std::byte> bytes, google::protobuf::MessageLite* message) {
  if (bytes.size() > INT_MAX) return false;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  constexpr int kMaxDepth = 100;  // a model nests 8 deep, and 3 more for each subgraph in another
  input.SetRecursionLimit(kMaxDepth);
  return message->ParsePartialFromCodedStream(&input) && input.ConsumedEntireMessage() && message->IsInitialized();
}

}  // namespace quadlane
