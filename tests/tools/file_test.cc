// Whole files: what stands in an output's place stays what it is.
#include "tools/io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/tools/scratch.h"

namespace quadlane::tools {
namespace {

namespace fs = std::filesystem;

TEST(File, WritesBehindLinks) {
  const Scratch folder;
  folder.make_dir("far");
  ASSERT_TRUE(write_file(folder.path("far/a"), "old").ok());
  fs::create_symlink("far/a", folder.path("link"));
  ASSERT_TRUE(prepare_output_file(folder.path("link")).ok());
  ASSERT_TRUE(write_file(folder.path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(folder.path("link")));
  EXPECT_EQ(*read_file(folder.path("far/a")), "new");
  EXPECT_EQ(sorted_entries(folder.path("far"))->size(), 1u);
}

TEST(File, WritesIntoPipes) {
  const Scratch folder;
  const std::string pipe = folder.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_TRUE(prepare_output_file(pipe).ok());
  ASSERT_TRUE(write_file(pipe, "through").ok());
  char bytes[16] = {};
  EXPECT_EQ(::read(reader, bytes, sizeof bytes), 7);
  EXPECT_STREQ(bytes, "through");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
}

}  // namespace
}  // namespace quadlane::tools
