// Labels of samples, by name: `a/image_07.png` below the --calib folder is labelled by LABELS/a/image_07.npy, .png or
// .nii(.gz), else by LABELS/image_07.npy and so on, or by the line "a/image_07,3" of LABELS/labels.csv; its boxes (map)
// are LABELS/a/image_07.csv or LABELS/image_07.csv. The class -1 in a file means that any class is right.
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

  Result<Classes> of(const Sample&, const LabelForm&) const;
  // Boxes of one of so many classes.
  Result<std::vector<Detection>> boxes_of(const Sample&, int64_t classes) const;

 private:
  Result<std::optional<int32_t>> in_table(const Sample&) const;
  Result<Classes> read(const std::string& path, const Sample&, const LabelForm&) const;

  std::string folder_;
  Metric metric_ = Metric::dice;
  std::shared_ptr<PictureReader> pictures_;
  std::map<std::string, int32_t> by_name_;  // labels.csv: "a/image_07"
};

}  // namespace quadlane::tools
