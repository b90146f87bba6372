// The inputs of a model as files on the command line, for shapes the model leaves open too.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/api/dynamic_model.h"
#include "tools/prep/picture_reader.h"

namespace quadlane::tools {

// A file for each input in the model's order: NAME=FILE goes to that input, a bare FILE to the next one that has none.
Result<std::vector<std::string>> assign_inputs(std::span<const InputSpec>, const std::vector<std::string>& specs);

// The tensors of these files: "input 'image' is f32[N,1,192,192], 'x.npy' holds f32[1,1,64,64]" where they do not fit.
// A multiple of a fixed batch fits.
// Images go through `pictures`, all slices of a volume at once.
Result<std::vector<Tensor>> read_inputs(std::span<const InputSpec>, std::span<const std::string> files,
                                        PictureReader& pictures);

// Binds the shapes of these tensors to the inputs that `options` leaves alone.
void bind_inputs(std::span<const InputSpec>, std::span<const Tensor>, LoadOptions& options);

}  // namespace quadlane::tools
