// Labels of samples, by name: `image_07.png` is labelled by LABELS/image_07.npy, .png or .nii(.gz), or by the line
// "image_07,3" of LABELS/labels.csv; its boxes (map) are LABELS/image_07.csv.
#pragma once

#include <map>

#include "tools/accuracy/detections.h"
#include "tools/accuracy/task_score.h"
#include "tools/cli/samples.h"

namespace quadlane::tools {

class Labels {
 public:
  // `pictures`: label pictures are cut, padded and resized (to the nearest pixel) as the inputs are.
  static Result<Labels> open(const std::string& folder, Metric, std::shared_ptr<PictureReader> pictures);

  // One class for top1; else one for each of `pixels` pixels.
  Result<Classes> of(const Sample&, size_t pixels) const;
  Result<std::vector<Detection>> boxes_of(const Sample&) const;

 private:
  std::string folder_;
  Metric metric_ = Metric::dice;
  std::shared_ptr<PictureReader> pictures_;
  std::map<std::string, int32_t> by_name_;  // labels.csv
};

}  // namespace quadlane::tools
