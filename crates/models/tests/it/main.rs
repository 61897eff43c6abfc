//! What every expert must hold, whatever it computes, and the slow obvious versions that the fast ones must equal.

mod behavior_profiles;
mod behavior_tasks;
mod conformance;
mod content_encoders;
mod damaged;
mod graph_links;
mod joint_steps;
mod graph_walks;
mod linear_oracle;
mod pretraining;
mod settings;
mod svd_oracle;
mod window_oracle;
mod world;
mod encoder;
mod tuning;
mod tiny_model;
mod transfer_steps;
