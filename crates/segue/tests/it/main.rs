//! The library as a program uses it.

mod media;
#[path = "../../examples/shop.rs"]
mod shop;

#[test]
fn the_example_goes_from_files_to_an_explained_list() {
    shop::main().expect("the shop can be learned");
}
