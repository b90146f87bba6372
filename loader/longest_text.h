// How long names and texts of a file are. Internal to loader/: sees protobuf.
#pragma once

#include <onnx/onnx_pb.h>

namespace quadlane {

// Bytes of the longest name or text in the graph, its subgraphs and the functions that an importer may read. Values of
// metadata are not among them: whoever asks for one (OnnxModel::metadata) knows how long it may be.
size_t longest_text(const onnx::ModelProto&);

}  // namespace quadlane
