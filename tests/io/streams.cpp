// Files through streams that the program brings along, and the C++ forms that take a path.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "olivine/olivine.h"

namespace olivine {
namespace {

// Memory that reads and writes like a file; where it is broken, it says so or throws.
class Memory : public io::Reader, public io::Writer {
 public:
  bool opened = true, fine = true;
  std::string bytes;

  void open() override { opened = true; }
  bool is_open() const override { return opened; }
  bool good() const override { return fine; }
  size_t tell() override { return at_; }
  void seek(int64_t off, std::ios_base::seekdir way) override {
    const int64_t from = way == std::ios_base::beg   ? 0
                         : way == std::ios_base::cur ? static_cast<int64_t>(at_)
                                                     : static_cast<int64_t>(bytes.size());
    at_ = static_cast<size_t>(from + off);
  }
  void read(char* data, size_t n) override {
    read(data, n, at_);
    at_ += n;
  }
  void read(char* data, size_t n, size_t offset) override {
    if (offset > bytes.size() || n > bytes.size() - offset) throw std::runtime_error("too far");
    std::memcpy(data, bytes.data() + offset, n);
  }
  void write(const char* data, size_t n) override { bytes.append(data, n); }
  std::string label() const override { return "memory of ours"; }

 private:
  size_t at_ = 0;
};

void expect_equal(const array& got, const array& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_TRUE(array_equal(got, want).item<bool>()) << got << " instead of " << want;
}
template <class F>
void expect_error(F f, const std::string& text) {
  try {
    f();
    FAIL() << "nothing was thrown instead of: " << text;
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("olivine_streams_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return path / name; }
};
const array numbers = array({1.f, -2.f, 3.5f, 0.f}, {2, 2});

TEST(IoStreams, ArraysComeBackFromWhereTheStreamStands) {
  auto memory = std::make_shared<Memory>();
  memory->bytes = "a line before";
  const size_t start = memory->bytes.size();
  memory->opened = false;
  save(std::shared_ptr<io::Writer>(memory), transpose(numbers));
  EXPECT_TRUE(memory->opened) << "a writer is opened";
  EXPECT_EQ(memory->bytes.substr(start, 6),
            "\x93"
            "NUMPY");
  memory->seek(static_cast<int64_t>(start), std::ios_base::beg);
  expect_equal(load(std::shared_ptr<io::Reader>(memory)), transpose(numbers));
  EXPECT_EQ(memory->tell(), start);
}

TEST(IoStreams, SafetensorsComeBackWithTheirMetadata) {
  auto memory = std::make_shared<Memory>();
  save_safetensors(std::shared_ptr<io::Writer>(memory), {{"w", numbers}, {"n", array(3)}},
                   {{"author", "me"}});
  auto [arrays, metadata] = load_safetensors(std::shared_ptr<io::Reader>(memory));
  EXPECT_EQ(metadata, (Metadata{{"author", "me"}}));
  ASSERT_EQ(arrays.size(), 2u);
  memory->bytes.clear();  // what was loaded does not come back to a stream
  expect_equal(arrays.at("w"), numbers);
  expect_equal(arrays.at("n"), array(3));
}

TEST(IoStreams, StreamsThatAreNotReadyAreNamed) {
  auto memory = std::make_shared<Memory>();
  memory->fine = false;
  expect_error([&] { load(std::shared_ptr<io::Reader>(memory)); },
               "[load] expected an open stream; got memory of ours");
  expect_error([&] { save(std::shared_ptr<io::Writer>(memory), numbers); },
               "[save] expected an open stream; got memory of ours");
  expect_error([] { load(std::shared_ptr<io::Reader>()); }, "got none");
  expect_error([] { save_safetensors(std::shared_ptr<io::Writer>(), {}); },
               "[save_safetensors] expected an open stream; got none");
}

TEST(IoStreams, ErrorsOfTheStreamAndOfItsContentsArrive) {
  auto memory = std::make_shared<Memory>();
  memory->bytes = "no array at all, but long enough to have a header of one";
  expect_error([&] { load(std::shared_ptr<io::Reader>(memory)); }, "memory of ours");
  save(std::shared_ptr<io::Writer>(memory), numbers);
  memory->bytes.erase(0, 56);
  memory->bytes.pop_back();
  expect_error([&] { load(std::shared_ptr<io::Reader>(memory)); }, "memory of ours");
}

TEST(IoPaths, EveryFormatComesBack) {
  const Folder folder;
  save(folder / "a.npy", numbers);
  expect_equal(load(folder / "a.npy"), numbers);
  expect_equal(load(folder / "a.npy", Device::cpu), numbers);
  save_safetensors(folder / "a.safetensors", {{"w", numbers}}, {{"k", "v"}});
  auto [tensors, notes] = load_safetensors(folder / "a.safetensors");
  expect_equal(tensors.at("w"), numbers);
  EXPECT_EQ(notes.at("k"), "v");
  save_gguf(folder / "a.gguf", {{"w", numbers}}, {{"names", std::vector<std::string>{"x", "y"}}});
  auto [weights, metadata] = load_gguf(folder / "a.gguf");
  expect_equal(weights.at("w"), numbers);
  EXPECT_EQ(std::get<std::vector<std::string>>(metadata.at("names")),
            (std::vector<std::string>{"x", "y"}));
}

TEST(IoPaths, WhatAFormatCannotHoldIsRefusedAndLeavesNothing) {
  const Folder folder;
  expect_error(
      [&] {
        save_gguf(folder / "b.gguf", {}, {{"key", GGUFMetaData{}}});
      },
      "[save_gguf] metadata 'key': expected a value");
  const array deep = reshape(numbers, {1, 1, 1, 1, 1, 1, 1, 2, 2});
  expect_error(
      [&] {
        save_gguf(folder / "b.gguf", {{"deep", deep}});
      },
      "[save_gguf] array 'deep': expected at most 8 axes");
  expect_error(
      [&] {
        save_safetensors(folder / "b.safetensors", {{"\xff", numbers}});
      },
      "[save_safetensors] expected names and metadata in UTF-8");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path));
}

}  // namespace
}  // namespace olivine
