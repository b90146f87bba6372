// DICOM folders, written here slice by slice.
#include <gtest/gtest.h>

#include "tests/tools/scratch.h"
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
  put(DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  put(DCM_ImagePositionPatient, cat("-10\\-20\\", s.z));
  put(DCM_TriggerTime, cat(s.trigger));
  put(DCM_InstanceNumber, cat(s.instance));
  if (s.slope) put(DCM_RescaleSlope, s.slope), put(DCM_RescaleIntercept, "-5");
  if (s.frames) put(DCM_NumberOfFrames, s.frames);
  d.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  d.putAndInsertUint16(DCM_Rows, kRows);
  d.putAndInsertUint16(DCM_Columns, kColumns);
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
