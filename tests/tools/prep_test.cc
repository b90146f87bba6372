// Pictures to inputs: the steps, the file formats, and the command on folders of images.
#include <gtest/gtest.h>
#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include <cmath>

#include "graph/text.h"
#include "loader/onnx_model.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tests/tools/command.h"
#include "tools/cli/tensors.h"
#include "tools/heart/prepare.h"
#include "tools/io/nifti.h"
#include "tools/io/npy.h"
#include "tools/measure/machine.h"
#include "tools/prep/picture_reader.h"
#include "tools/prep/preprocessing.h"

namespace quadlane::tools {
namespace {

Preprocessing prep_of(const std::string& color, const std::string& steps) {
  auto prep =
      Preprocessing::parse(R"({"quadlane_preprocessing": 1, "color": ")" + color + R"(", "steps": [)" + steps + "]}");
  EXPECT_TRUE(prep.ok()) << prep.error().text();
  return *prep;
}

Raster ramp(int channels, int rows, int columns) {
  Raster raster{channels, rows, columns, {}};
  for (int i = 0; i < channels * rows * columns; ++i) raster.values.push_back(static_cast<float>(i * 37 % 101));
  return raster;
}

TEST(Preprocessing, TheShowcaseFileGivesTheBitsOfTheShowcase) {
  auto prep = Preprocessing::read(QUADLANE_REPOSITORY "/tools/showcase/model/cardiac_dense_unet.prep.json");
  ASSERT_TRUE(prep.ok()) << prep.error().text();
  for (auto [rows, columns] : {std::pair(256, 256), {192, 192}, {150, 261}, {220, 101}, {64, 64}}) {
    Raster slice = ramp(1, rows, columns);
    std::vector<float> wanted(192 * 192);
    prepare(slice.values, rows, columns, 192, wanted);
    auto found = prep->apply(slice);
    ASSERT_TRUE(found.ok()) << found.error().text();
    EXPECT_EQ(found->values, wanted) << rows << "x" << columns;
  }
}

TEST(Preprocessing, StepsDoWhatTheySay) {
  auto apply = [](const char* color, const char* steps, const Raster& in) { return *prep_of(color, steps).apply(in); };
  const Raster grey{1, 1, 4, {2, 4, 6, 8}};
  EXPECT_EQ(apply("grey", R"({"scale": 0.5}, {"clip": [1.5, 3]})", grey).values, (std::vector<float>{1.5, 2, 3, 3}));
  EXPECT_EQ(apply("grey", R"({"mean": [5], "std": [2]})", grey).values, (std::vector<float>{-1.5, -0.5, 0.5, 1.5}));
  EXPECT_EQ(apply("grey", R"({"pad": [2, 5], "value": 9, "at": "corner"})", grey).values,
            (std::vector<float>{2, 4, 6, 8, 9, 9, 9, 9, 9, 9}));
  EXPECT_EQ(apply("grey", R"({"crop": [9, 2]})", grey).values, (std::vector<float>{4, 6}));
  EXPECT_EQ(apply("grey", R"({"resize": [1, 2], "filter": "linear"})", grey).values, (std::vector<float>{3, 7}));
  EXPECT_EQ(apply("grey", R"({"resize": [1, 2], "filter": "nearest"})", grey).values, (std::vector<float>{4, 8}));
  EXPECT_EQ(apply("grey", R"({"resize": [2, 4], "filter": "area"})", grey).values,
            (std::vector<float>{2, 4, 6, 8, 2, 4, 6, 8}));
  EXPECT_EQ(apply("rgb", "", grey).values.size(), 12u);
  const Raster color{3, 1, 1, {10, 20, 30}};
  EXPECT_EQ(apply("bgr", R"({"mean": [1, 2, 3]})", color).values, (std::vector<float>{29, 18, 7}));
  EXPECT_FLOAT_EQ(apply("grey", "", color).values[0], 18.15f);
  const Raster z = apply("grey", R"({"z_score": "nonzero"})", Raster{1, 1, 3, {0, 1, 3}});
  EXPECT_EQ(z.values, (std::vector<float>{0, -1, 1}));
  EXPECT_EQ(apply("grey", R"({"z_score": "all"})", Raster{1, 1, 2, {7, 7}}).values, (std::vector<float>{0, 0}));
  const Raster wide = apply("grey", R"({"resize": [8, 8], "fit": "inside"}, {"pad": [8, 8]})", ramp(1, 10, 20));
  EXPECT_EQ(wide.rows, 8);
  EXPECT_EQ(std::vector<float>(wide.values.begin(), wide.values.begin() + 16), std::vector<float>(16, 0));
}

TEST(Preprocessing, WrongFilesAreToldInOneSentence) {
  auto error = [](const std::string& text) { return Preprocessing::parse(text).error().text(); };
  EXPECT_EQ(error("[]"), "no JSON object");
  EXPECT_EQ(error(R"({"steps": []})"), "expected quadlane_preprocessing 1, found null");
  const std::string head = R"({"quadlane_preprocessing": 1, )";
  EXPECT_EQ(error(head + R"("colour": "grey", "steps": []})"), "there is no member 'colour' here");
  EXPECT_EQ(error(head + R"("steps": [{"crop": [1]}]})"), "step 1: expected [rows, columns], found [1]");
  EXPECT_EQ(error(head + R"("steps": [{"crop": [1, 99999999]}]})"),
            "step 1: expected [rows, columns], found [1,99999999]");
  EXPECT_EQ(error(head + R"("steps": [{"std": [1, 0]}]})"), "step 1: std holds 0, deviations are above 0");
  EXPECT_EQ(error(head + R"("steps": [{"blur": 3}]})"),
            "step 1: names no step: resize, crop, pad, percentile, z_score, clip, scale, or mean and std");
}

TEST(Preprocessing, FilesMayNotAskForMuch) {
  auto prep = [](size_t steps, size_t blanks) {
    std::string text = R"({"quadlane_preprocessing": 1, "steps": [)";
    for (size_t i = 0; i < steps; ++i) text += i ? R"(, {"scale": 1})" : R"({"scale": 1})";
    return Preprocessing::parse(text + std::string(blanks, ' ') + "]}");
  };
  EXPECT_TRUE(prep(64, 0).ok());
  EXPECT_EQ(prep(65, 0).error().text().substr(0, 37), "expected a list of at most 64 steps, ");
  EXPECT_EQ(prep(1, 1 << 20).error().text(), "the JSON text has 1048630 bytes, the limit is 1048576");
  auto error = [](const char* step) { return prep_of("rgb", step).apply(ramp(3, 4, 4)).error().text(); };
  EXPECT_EQ(error(R"({"resize": [8192, 8192]})"), "step 0: resizing 4x4 gives 8192x8192 pixels");
  EXPECT_EQ(error(R"({"pad": [8192, 8192]})"), "step 0: padding 4x4 gives 8192x8192 pixels");
}

TEST(Preprocessing, ShapesThatDoNotFitAndValuesThatAreNoNumbersAreRefused) {
  const Raster small = *prep_of("grey", "").apply(ramp(1, 3, 4));
  EXPECT_EQ(to_tensor(small, {DType::f32, {1, 1, 8, 8}}).error().text(),
            "preprocessing leaves 1 channels of 3x4 pixels, the input is f32[1,1,8,8]");
  EXPECT_EQ(to_tensor(small, {DType::f32, {-1, 1, -1, -1}})->shape(), (Shape{1, 1, 3, 4}));
  EXPECT_EQ(to_tensor(*prep_of("rgb", "").apply(ramp(3, 3, 4)), {DType::u8, {1, 3, 4, 3}})->type(),
            (TensorType{DType::u8, {1, 3, 4, 3}}));
  Raster damaged = ramp(1, 2, 3);
  damaged.values[4] = std::nanf("");
  EXPECT_EQ(prep_of("grey", "").apply(damaged).error().text(), "pixel 1,1 is nan");
}

// A PNG of 16-bit grey or 8-bit colour, written by libpng.
std::string png_bytes(int width, int height, bool deep) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width), image.height = static_cast<png_uint_32>(height);
  image.format = deep ? PNG_FORMAT_LINEAR_Y : PNG_FORMAT_RGB;
  std::vector<uint16_t> pixels(static_cast<size_t>(width * height) * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint16_t>(i * 257);
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

std::string jpeg_bytes(int width, int height, bool progressive = false) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width), info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 3, info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<JSAMPLE> row(static_cast<size_t>(width) * 3, 120);
  JSAMPROW at = row.data();
  while (info.next_scanline < info.image_height) jpeg_write_scanlines(&info, &at, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string text(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return text;
}

TEST(Pictures, PngAndJpegAreNumbersAsStored) {
  Raster deep = *parse_picture(png_bytes(5, 3, true));
  EXPECT_EQ(deep.channels, 1);
  EXPECT_EQ(deep.values[7], 7 * 257);
  Raster color = *parse_picture(png_bytes(5, 3, false));
  EXPECT_EQ(color.channels, 3);
  EXPECT_EQ(color.rows, 3);
  Raster jpeg = *parse_picture(jpeg_bytes(40, 24));
  EXPECT_EQ(jpeg.channels, 3);
  for (float v : jpeg.values) EXPECT_NEAR(v, 120, 1);
}

// The same file with another size in its header.
std::string resized_jpeg(std::string bytes, int width, int height) {
  const size_t frame = std::min(bytes.find("\xff\xc0"), bytes.find("\xff\xc2"));
  for (int i = 0; i < 2; ++i) {
    bytes[frame + 5 + static_cast<size_t>(i)] = static_cast<char>(height >> (8 - 8 * i));
    bytes[frame + 7 + static_cast<size_t>(i)] = static_cast<char>(width >> (8 - 8 * i));
  }
  return bytes;
}
std::string resized_png(std::string bytes, uint32_t width, uint32_t height) {
  constexpr size_t kType = 12, kWidth = 16, kHeight = 20, kCrc = 29;
  auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(kWidth, width), put(kHeight, height);
  put(kCrc, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(&bytes[kType]), kCrc - kType)));
  return bytes;
}

// Headers of a few bytes: nothing of their size is allocated.
TEST(Pictures, HeadersMayNotAskForMuch) {
  const std::string baseline = jpeg_bytes(40, 24), progressive = jpeg_bytes(40, 24, true), png = png_bytes(5, 3, false);
  ASSERT_TRUE(parse_picture(progressive).ok());
  const std::string jpeg_limit = "damaged JPEG: larger than 32768 pixels a side or 67108864 values";
  const struct {
    std::string bytes, error;
  } cases[] = {{resized_jpeg(baseline, 32769, 8), jpeg_limit},
               {resized_jpeg(baseline, 8, 32769), jpeg_limit},
               {resized_jpeg(baseline, 8192, 8192), jpeg_limit},
               {resized_jpeg(progressive, 8192, 8192), jpeg_limit},
               {resized_png(png, 32769, 3), "damaged PNG: Invalid IHDR data"},
               {resized_png(png, 5, 32769), "damaged PNG: Invalid IHDR data"},
               {resized_png(png, 8192, 8192), "damaged PNG: the picture has too many values"}};
  measure::forget_peak_memory();
  const size_t before = measure::peak_memory();
  for (const auto& c : cases) EXPECT_EQ(parse_picture(c.bytes).error().text(), c.error);
  EXPECT_LT(measure::peak_memory() - before, size_t{64} << 20);
}

// Each goes over the whole picture: a megabyte of them would take hours.
TEST(Pictures, ProgressiveFilesHaveFewScans) {
  std::string bytes = jpeg_bytes(40, 24, true);
  const size_t last = bytes.rfind("\xff\xda"), end = bytes.size() - 2;
  const std::string scan = bytes.substr(last, end - last);
  for (int i = 0; i < 200; ++i) bytes.insert(end, scan);
  EXPECT_EQ(parse_picture(bytes).error().text(), "damaged JPEG: more than 100 scans");
}

// Every cut and every changed byte is an answer, not a crash.
TEST(Pictures, DamagedFilesAreErrorsOrPictures) {
  for (const std::string& bytes : {png_bytes(5, 3, true), png_bytes(9, 2, false), jpeg_bytes(40, 24)}) {
    for (size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 200)
      EXPECT_FALSE(parse_picture(std::string_view(bytes).substr(0, length)).ok()) << length;
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ 0x55);
      auto raster = parse_picture(changed);
      if (raster.ok()) {
        EXPECT_EQ(raster->values.size(), static_cast<size_t>(raster->channels) * raster->plane());
      }
    }
  }
}

std::string net_for_pictures(const Scratch& scratch) {
  auto graph = parse_graph(R"(graph "net"
input %image: f32[1,1,16,16]
const %w: f32[8,1,3,3] = random(1)
%scores: f32[1,8,16,16] = Conv(%image, %w) name="first" pads=[1,1,1,1]
output %scores
)",
                           op_table());
  EXPECT_TRUE(save_onnx(*graph, scratch.path("net.onnx")).ok());
  return scratch.path("net.onnx");
}

constexpr const char* kGreyTo16 = R"({"quadlane_preprocessing": 1, "color": "grey",
 "steps": [{"resize": [16, 16], "filter": "area"}, {"z_score": "all"}]})";

TEST(Pictures, QuantizeReadsFoldersOfImagesAndThePreprocessingTravels) {
  Scratch scratch;
  const std::string net = net_for_pictures(scratch), out = scratch.path("int8.onnx");
  scratch.make_dir("calib/sub");
  scratch.write("calib/a.png", png_bytes(20, 17, true));
  scratch.write("calib/sub/b.jpg", jpeg_bytes(40, 24));
  NiftiImage volume = make_nifti({18, 20, 3, 2}, {1, 1, 1}, 0, {});
  std::vector<float> voxels;
  for (int i = 0; i < 18 * 20 * 6; ++i) voxels.push_back(static_cast<float>(i % 97));
  ASSERT_TRUE(write_nifti_f32(scratch.path("calib/v.nii.gz"), volume, voxels).ok());
  const std::string arguments = cat("quantize ", net, " --calib ", scratch.path("calib"), " -o ", out);
  CommandResult without = quadlane(scratch, arguments);
  EXPECT_EQ(without.code, 1);
  EXPECT_NE(without.err.find("pictures need the model's preprocessing"), std::string::npos) << without.err;

  scratch.write("net.prep.json", kGreyTo16);
  CommandResult done = quadlane(scratch, arguments);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("calibrated on 8 inputs"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("b.jpg' is one constant value"), std::string::npos) << done.out;
  EXPECT_EQ(OnnxModel::read(out)->metadata("quadlane_preprocessing"), kGreyTo16);
  // The quantized file carries it: no file beside it is needed.
  CommandResult run = quadlane(
      scratch, cat("run ", out, " --input ", scratch.path("calib/v.nii.gz"), " --output-dir ", scratch.path("out")));
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(read_npy(scratch.path("out/scores.npy"))->shape(), (Shape{6, 8, 16, 16}));
}

TEST(Pictures, SamplesThatSayNothingAreTold) {
  Scratch scratch;
  const std::string net = net_for_pictures(scratch);
  scratch.write("net.prep.json", kGreyTo16);
  auto quantize = [&](const std::string& calib) {
    return quadlane(scratch, cat("quantize ", net, " --calib ", calib, " -o ", scratch.path("int8.onnx"))).err;
  };
  const std::string flat = scratch.write("flat.jpg", jpeg_bytes(40, 24));
  EXPECT_NE(quantize(flat).find("all 1 calibration inputs are constant"), std::string::npos);
  const std::string text = scratch.write("text.png", "no picture");
  EXPECT_NE(quantize(text).find("neither a PNG nor a JPEG picture (10 bytes)"), std::string::npos);
  EXPECT_NE(quantize(scratch.make_dir("empty")).find("holds no sample: 0 entries"), std::string::npos);
  for (float bad : {NAN, INFINITY}) {
    Tensor tensor = *random_tensor({DType::f32, {1, 1, 16, 16}}, 1);
    tensor.mutate<float>()[7] = bad;
    ASSERT_TRUE(write_npy(scratch.path("bad.npy"), tensor.view()).ok());
    EXPECT_NE(quantize(scratch.path("bad.npy")).find("bad.npy': value 'image': is not finite in channel 0"),
              std::string::npos);
  }
  ASSERT_TRUE(write_npy(scratch.path("small.npy"), random_tensor({DType::f32, {1, 1, 8, 8}}, 1)->view()).ok());
  EXPECT_NE(quantize(scratch.path("small.npy")).find("small.npy' holds f32[1,1,8,8]"), std::string::npos);
  scratch.write("net.prep.json", R"({"quadlane_preprocessing": 1, "color": "grey", "steps": []})");
  EXPECT_NE(quantize(flat).find("preprocessing leaves 1 channels of 24x40 pixels"), std::string::npos);
}

}  // namespace
}  // namespace quadlane::tools
