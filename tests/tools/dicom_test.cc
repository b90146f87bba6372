// DICOM folders, written here slice by slice.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "graph/text.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/dicom/series.h"

#if __has_include(<dcmtk/dcmdata/dctk.h>)
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#define QUADLANE_TEST_DICOM 1
#endif

namespace quadlane::tools {
namespace {

#ifdef QUADLANE_TEST_DICOM
constexpr int kRows = 3, kColumns = 4;

struct Slice {
  double z = 0, trigger = 0;
  int instance = 1, value = 0;  // every pixel: value + its index
  const char* slope = nullptr;
  const char* frames = nullptr;
  bool is_signed = false;
  const char* orientation = "1\\0\\0\\0\\1\\0";
  int rows = kRows, columns = kColumns;  // what the header says
};

void write(const std::string& path, const Slice& s) {
  DcmFileFormat file;
  DcmDataset& d = *file.getDataset();
  auto put = [&](const DcmTagKey& tag, const std::string& value) { d.putAndInsertString(tag, value.c_str()); };
  put(DCM_SOPClassUID, UID_MRImageStorage);
  char uid[100];
  put(DCM_SOPInstanceUID, dcmGenerateUniqueIdentifier(uid));
  put(DCM_PhotometricInterpretation, "MONOCHROME2");
  put(DCM_PixelSpacing, "1.5\\1.25");
  put(DCM_ImageOrientationPatient, s.orientation);
  put(DCM_ImagePositionPatient, cat("-10\\-20\\", s.z));
  put(DCM_TriggerTime, cat(s.trigger));
  put(DCM_InstanceNumber, cat(s.instance));
  if (s.slope) put(DCM_RescaleSlope, s.slope), put(DCM_RescaleIntercept, "-5");
  if (s.frames) put(DCM_NumberOfFrames, s.frames);
  d.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  d.putAndInsertUint16(DCM_Rows, static_cast<Uint16>(s.rows));
  d.putAndInsertUint16(DCM_Columns, static_cast<Uint16>(s.columns));
  d.putAndInsertUint16(DCM_BitsAllocated, 16);
  d.putAndInsertUint16(DCM_BitsStored, 12);
  d.putAndInsertUint16(DCM_HighBit, 11);
  d.putAndInsertUint16(DCM_PixelRepresentation, s.is_signed);
  Uint16 pixels[kRows * kColumns];
  // Bits above those stored hold something else, as overlays once did.
  for (int i = 0; i < kRows * kColumns; ++i) pixels[i] = static_cast<Uint16>(((s.value + i) & 0xfff) | 0x3000);
  d.putAndInsertUint16Array(DCM_PixelData, pixels, kRows * kColumns);
  ASSERT_TRUE(file.saveFile(path.c_str(), EXS_LittleEndianExplicit).good());
}

// Three slices 8 mm apart, four phases, in files whose names tell nothing about their order.
void write_study(const Scratch& scratch) {
  for (int z = 0; z < 3; ++z)
    for (int t = 0; t < 4; ++t)
      write(scratch.path(cat("f", (z * 4 + t) * 5 % 12, ".dcm")),
            {.z = 8.0 * z, .trigger = 40.0 * t + 3 * z, .instance = 100 - t, .value = 100 * z + 20 * t});
}

std::string error_of(const Scratch& scratch) {
  auto series = read_dicom_folder(scratch.path("."));
  return series.ok() ? "accepted" : series.error().text();
}

TEST(Dicom, SortsByPositionAndTriggerTime) {
  Scratch scratch;
  write_study(scratch);
  scratch.write("notes.txt", "not an image");
  auto series = read_dicom_folder(scratch.path("."));
  ASSERT_TRUE(series.ok()) << series.error().text();
  const NiftiImage& image = series->image;
  EXPECT_EQ(image.extent, (std::array<int64_t, 7>{kColumns, kRows, 3, 4, 1, 1, 1}));
  EXPECT_EQ(image.spacing_mm, (std::array<double, 3>{1.25, 1.5, 8}));
  EXPECT_DOUBLE_EQ(image.phase_ms, 40);
  for (int t = 0; t < 4; ++t)
    for (int z = 0; z < 3; ++z)
      for (int i = 0; i < 12; ++i)
        ASSERT_EQ(image.voxels[static_cast<size_t>((t * 3 + z) * 12 + i)], static_cast<float>(100 * z + 20 * t + i));
  ASSERT_EQ(series->notes.size(), 1u);
  EXPECT_NE(series->notes[0].find("1 files"), std::string::npos);
}

// The volume that the folder's slices make is what was segmented: its hash follows the pixels.
TEST(Dicom, SegmentTellsWhatItWasGiven) {
  Scratch scratch;
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,1,16,16]
const %w: f32[4,1,3,3] = random(1)
%scores: f32[1,4,16,16] = Conv(%image, %w) pads=[1,1,1,1]
output %scores
)",
                           op_table());
  ASSERT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  scratch.make_dir("study");
  auto hash = [&](int value) -> std::string {
    for (int z = 0; z < 2; ++z) write(scratch.path(cat("study/", z)), {.z = 8.0 * z, .value = value + z});
    const CommandResult r =
        quadlane(scratch, cat("segment --model ", scratch.path("net.onnx"), " --precision f32 --no-tune --input ",
                              scratch.path("study"), " --output ", scratch.path("out"), " --provenance ",
                              scratch.path("p.json")));
    EXPECT_EQ(r.code, 0) << r.err;
    if (r.code) return "";
    return nlohmann::json::parse(*read_file(scratch.path("p.json")))["inputs"][0].value("sha256", "none");
  };
  const std::string first = hash(100);
  EXPECT_EQ(first.size(), 64u);
  EXPECT_EQ(hash(100), first);
  EXPECT_NE(hash(101), first);
}

TEST(Dicom, GeometryBecomesRas) {
  Scratch scratch;
  write_study(scratch);
  auto series = read_dicom_folder(scratch.path("."));
  ASSERT_TRUE(series.ok());
  float rows[12];
  std::memcpy(rows, series->image.header.data() + 280, sizeof rows);
  const float expected[12] = {-1.25f, 0, 0, 10, 0, -1.5f, 0, 20, 0, 0, 8, 0};
  for (int i = 0; i < 12; ++i) EXPECT_FLOAT_EQ(rows[i], expected[i]) << i;
}

TEST(Dicom, SignedPixelsAndRescaling) {
  Scratch scratch;
  write(scratch.path("a"), {.value = -2, .slope = "0.5", .is_signed = true});
  auto series = read_dicom_folder(scratch.path("."));
  ASSERT_TRUE(series.ok()) << series.error().text();
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(series->image.voxels[static_cast<size_t>(i)], 0.5f * static_cast<float>(i - 2) - 5);
}

TEST(Dicom, RefusesWhatWouldBeWrong) {
  Scratch scratch;
  EXPECT_NE(error_of(scratch).find("holds no DICOM slice"), std::string::npos);
  write(scratch.path("multi"), {.frames = "3"});
  EXPECT_NE(error_of(scratch).find("multi-frame object of 3"), std::string::npos);
  write_study(scratch);
  EXPECT_EQ(error_of(scratch), "accepted");  // with the multi-frame object noted
  std::filesystem::remove(scratch.path("f7.dcm"));
  EXPECT_NE(error_of(scratch).find("has 3 phases"), std::string::npos);
}

TEST(Dicom, AMissingSliceIsNoticed) {
  Scratch scratch;
  for (double z : {0.0, 8.0, 24.0, 32.0}) write(scratch.path(cat("z", z)), {.z = z});
  EXPECT_NE(error_of(scratch).find("a slice is missing"), std::string::npos);
}

// What headers say is believed once there are pixels for it.
TEST(Dicom, HeadersMayNotAskForMuch) {
  Scratch scratch;
  write(scratch.path("a"), {.rows = 8193});
  EXPECT_NE(error_of(scratch).find("the slice is 8193x4, expected 1 to 8192"), std::string::npos);
  write(scratch.path("a"), {.rows = 8192, .columns = 8192});
  EXPECT_NE(error_of(scratch).find("12 pixels, the header says 67108864"), std::string::npos);
  write(scratch.path("b"), {.z = 8, .rows = 8192, .columns = 8192});
  EXPECT_NE(error_of(scratch).find("2 slices x 1 phases of 8192x8192 pixels are more than 67108864 voxels"),
            std::string::npos);
}

// Heights of such slices are no numbers and have no order.
TEST(Dicom, DirectionsAreNumbersThatCanBeMultiplied) {
  Scratch scratch;
  for (int i = 0; i < 20; ++i)
    write(scratch.path(cat("s", i)), {.z = 8.0 * i, .orientation = "1e300\\1e300\\0\\0\\1e300\\1e300"});
  EXPECT_NE(error_of(scratch).find("no usable ImageOrientationPatient"), std::string::npos) << error_of(scratch);
}

TEST(Dicom, TruncatedFilesAreErrors) {
  Scratch scratch;
  write(scratch.path("a"), {});
  std::filesystem::resize_file(scratch.path("a"), std::filesystem::file_size(scratch.path("a")) - 7);
  EXPECT_NE(error_of(scratch), "accepted");
}
#else
TEST(Dicom, SaysThatItIsNotBuiltIn) { GTEST_SKIP() << "DCMTK is not installed"; }
#endif

}  // namespace
}  // namespace quadlane::tools
