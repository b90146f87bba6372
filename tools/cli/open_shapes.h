// Calibrating and quantizing models whose input shapes are open, so that they stay open in the file written.
#pragma once

#include "engine/api/engine.h"
#include "loader/onnx_model.h"
#include "loader/save.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

// A graph with the file's inputs and nothing else, open extents 1: what find_calibration needs to know.
Result<Graph> inputs_alone(const OnnxModel&);

// Binds what is open to the shapes of the first calibration sample; an open outermost extent becomes 1, and what the
// file or the options fix stays.
Status bind_to_sample(const OnnxModel&, const CalibrationSource&, LoadOptions&);

// The graph for other shapes of its inputs, after the passes that quantization wants.
using Rebind = std::function<Result<Graph>(std::span<const Shape>)>;
using LoadForm = Result<Graph> (*)(const OnnxModel&, const ModelOptions&);
Rebind rebinding(const OnnxModel&, const ModelOptions&, LoadForm);

struct OpenForm {
  Graph graph;
  OpenDims dims;  // of inputs and outputs
};

// `int8` for every shape the file allows: quantized once more at other shapes, the two are made one.
Result<OpenForm> open_form(const OnnxModel&, const LoadOptions&, const Graph& int8, const Rebind&,
                           const std::function<Result<Graph>(const Graph&)>& quantize_again);

}  // namespace quadlane::tools
