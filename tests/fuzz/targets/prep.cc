// Preprocessing files, applied to small pictures: grey and coloured, with values at the ends of the range.
#include "tests/fuzz/targets/target.h"
#include "tools/prep/preprocessing.h"

namespace quadlane::fuzz {
namespace {

tools::Raster picture(int channels, int rows, int columns) {
  tools::Raster raster{channels, rows, columns, {}};
  for (size_t i = 0; i < raster.plane() * static_cast<size_t>(channels); ++i)
    raster.values.push_back(i % 17 == 5 ? 3e38f : i % 11 == 3 ? -1e-40f : static_cast<float>(i % 256));
  return raster;
}

std::string run(Bytes bytes) {
  auto steps = tools::Preprocessing::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!steps.ok()) return {};
  for (const auto& raster : {picture(1, 5, 7), picture(3, 9, 4)}) {
    auto applied = steps->apply(raster);
    auto places = steps->geometry().apply(raster);
    if (applied.ok() && places.ok() && (applied->rows != places->rows || applied->columns != places->columns))
      return cat("a picture becomes ", applied->rows, "x", applied->columns, ", its labels ", places->rows, "x",
                 places->columns);
    if (applied.ok()) (void)tools::to_tensor(*applied, {DType::u8, {1, 0, 0, 3}});
  }
  return {};
}

}  // namespace

const Target kPrep{"prep", 1 << 20, run};

}  // namespace quadlane::fuzz
