// Calibration inputs on the command line.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/quant/profile.h"
#include "tools/prep/picture_reader.h"

namespace quadlane::tools {

// A tensor file for each input of the graph, or a picture, or slice `index` of a volume.
struct Sample {
  std::vector<std::string> files;
  int64_t index = 0;
  std::string below = {};  // its path below the --calib folder: "a/07.npy"; of several inputs their folder's

  std::string name() const;  // for messages: 'cine.nii.gz' slice 3
  bool operator==(const Sample&) const = default;
};

// What --calib names: inputs, or statistics saved earlier.
struct CalibrationSource {
  // The graph for samples of other shapes; empty: all have the same.
  std::function<Result<Graph>(std::span<const Shape>)> rebind;
  std::vector<Sample> samples;
  std::vector<Sample> others;  // of other shapes than the graph's: for ranges, nothing is measured on them
  std::optional<Profile> profile;
  std::shared_ptr<PictureReader> pictures;
};

// A path is a folder, a tensor file (.npy, .pb), an image (PNG, JPEG, NIfTI, DICOM) or saved statistics. In a folder
// and its subfolders, tensors and images are one sample each when the graph has one input; a subfolder that holds
// NAME.npy or input_K.npy (or .pb) for each input is one sample. Nothing usable in a folder is an error.
Result<CalibrationSource> find_calibration(const std::vector<std::string>& paths, const Graph&,
                                           std::shared_ptr<PictureReader> pictures);

// The tensors of one sample, checked against the graph's inputs. A tensor file with several times the model's batch is
// cut into that many samples.
Result<std::vector<std::vector<Tensor>>> read_samples(const Sample&, const Graph&, const CalibrationSource&);
// Moves the samples that only another shape of the graph can read to `others`; without rebind there are none.
void set_others_apart(const Graph&, CalibrationSource&);
// The tensors as they are stored. `types`: of the inputs, extents below 1 are open.
Result<std::vector<Tensor>> read_unchecked(const Sample&, std::span<const TensorType> types, const CalibrationSource&);

}  // namespace quadlane::tools
