//! Pictures without a window: the same application, drawn on an image and stepped by hand. Time is that of the recording, edges
//! are smooth, pipelines are compiled before they are needed: the same instant gives the same bytes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bevy::app::PluginsState;
use bevy::asset::RenderAssetUsages;
use bevy::prelude::*;
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::render::render_resource::{Extent3d, PollType, TextureDimension, TextureFormat, TextureUsages};
use bevy::render::renderer::RenderDevice;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use bevy::time::TimeUpdateStrategy;
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;
use image::RgbImage;

use crate::app;
use crate::feed::{Feed, Mistake, Transport};
use crate::model::effects::nanoseconds;
use crate::model::{Link, Model, Showing, View};

/// Pictures drawn before the first that counts: panels find their sizes, pipelines and textures arrive.
const WARM_UP: u32 = 10;
/// Pictures drawn after a change of time.
const SETTLE: u32 = 3;
/// Longest wait for a live rig to say something.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pictures drawn at most until one has come back from the renderer.
const READBACK: u32 = 100;

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// One picture.
    Picture {
        /// File to write.
        file: PathBuf,
        /// Rig time, ns; as it is if none.
        at_ns: Option<u64>,
    },
    /// Numbered pictures.
    Film {
        /// Folder to write into.
        folder: PathBuf,
        /// Rig time of the first, ns; the recording's beginning if none.
        from_ns: Option<u64>,
        /// Rig time of the last, ns; the recording's end if none.
        to_ns: Option<u64>,
        /// Pictures a second.
        fps: f64,
    },
}

/// Makes them. Files that were there are replaced.
pub fn make(feed: Feed, view: View, size: (u32, u32), wanted: &Wanted) -> Result<(), Mistake> {
    let mut studio = Studio::new(feed, view, size);
    match wanted {
        Wanted::Picture { file, at_ns } => {
            studio.wait_for_data()?;
            if let Some(at_ns) = at_ns {
                studio.seek(*at_ns)?;
            }
            studio.step(WARM_UP);
            write(&studio.picture()?, file)
        }
        Wanted::Film {
            folder,
            from_ns,
            to_ns,
            fps,
        } => {
            std::fs::create_dir_all(folder)
                .map_err(|error| Mistake::new(format!("{}: {error}", folder.display()), "check the path"))?;
            studio.wait_for_data()?;
            let (first, last) = studio.model().link().span_ns;
            let (first, last) = (from_ns.unwrap_or(first), to_ns.unwrap_or(last));
            studio.seek(first)?;
            studio.step(WARM_UP);
            let mut number = 0_u32;
            loop {
                let at_ns = first + nanoseconds(f64::from(number) / fps);
                if at_ns > last {
                    return Ok(());
                }
                studio.seek(at_ns)?;
                studio.step(SETTLE);
                write(&studio.picture()?, &folder.join(format!("{number:05}.png")))?;
                number += 1;
            }
        }
    }
}

/// Why nothing was seen, and what the feed says to do about it.
fn no_data(link: &Link) -> Mistake {
    let (trouble, remedy) = match &link.trouble {
        Some(trouble) => trouble.split_once(" — ").unwrap_or((trouble, "")),
        None if link.is_replay => ("nothing is told in it", "take another recording"),
        None => ("nothing was heard", ""),
    };
    let remedy = match remedy {
        "" if link.is_final => "mend that and start again",
        "" => "check that the rig runs",
        remedy => remedy,
    };
    Mistake::new(format!("{}: {trouble}", link.source), remedy)
}

fn write(picture: &RgbImage, file: &Path) -> Result<(), Mistake> {
    picture.save(file).map_err(|error| {
        Mistake::new(
            format!("{}: {error}", file.display()),
            "give a path that ends in .png, in a folder that exists",
        )
    })
}

/// An application without a window.
struct Studio {
    app: App,
    target: Handle<Image>,
}

/// The picture that was taken last.
#[derive(Resource, Default)]
struct Taken(Option<Image>);

impl Studio {
    fn new(feed: Feed, view: View, size: (u32, u32)) -> Self {
        let mut app = App::new();
        app.add_plugins(
            app::plugins()
                .set(WindowPlugin {
                    primary_window: None,
                    exit_condition: ExitCondition::DontExit,
                    ..default()
                })
                .disable::<WinitPlugin>()
                .disable::<PipelinedRenderingPlugin>(),
        );
        app.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::ZERO))
            .init_resource::<Taken>();
        let extent = Extent3d {
            width: size.0,
            height: size.1,
            depth_or_array_layers: 1,
        };
        let mut image = Image::new_uninit(
            extent,
            TextureDimension::D2,
            TextureFormat::Rgba8UnormSrgb,
            RenderAssetUsages::RENDER_WORLD,
        );
        image.texture_descriptor.usage |= TextureUsages::RENDER_ATTACHMENT | TextureUsages::COPY_SRC;
        let target = app.world_mut().resource_mut::<Assets<Image>>().add(image);
        app::compose(&mut app, feed, view, Some(target.clone()), true);
        while app.plugins_state() == PluginsState::Adding {
            bevy::tasks::tick_global_task_pools_on_main_thread();
        }
        app.finish();
        app.cleanup();
        Self { app, target }
    }

    fn model(&self) -> &Model {
        self.app.world().resource()
    }

    /// Draws so many pictures.
    fn step(&mut self, pictures: u32) {
        for _ in 0..pictures {
            self.app.update();
            let device = self.app.world().resource::<RenderDevice>();
            // an error is a lost device, and shows when no picture comes
            let _ = device.wgpu_device().poll(PollType::Wait {
                submission_index: None,
                timeout: None,
            });
        }
    }

    /// A recording is there at once; a rig may take its time.
    fn wait_for_data(&mut self) -> Result<(), Mistake> {
        let begun = Instant::now();
        let mut said = false;
        loop {
            self.step(1);
            if self.model().showing() != Showing::NoData {
                return Ok(());
            }
            let link = self.model().link();
            if link.is_replay || link.is_final || begun.elapsed() > PATIENCE {
                return Err(no_data(link));
            }
            if !said && let Some(trouble) = link.trouble.as_ref().filter(|trouble| *trouble != "starting") {
                said = true;
                let _ = writeln!(
                    std::io::stderr(),
                    "bess-viz: {}: {trouble}; tried for {} s",
                    link.source,
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn seek(&mut self, at_ns: u64) -> Result<(), Mistake> {
        let (first, last) = self.model().link().span_ns;
        if !self.model().link().is_replay {
            return Ok(());
        }
        if at_ns < first || at_ns > last {
            let second = |ns: u64| ns as f64 / 1e9;
            return Err(Mistake::new(
                format!(
                    "{}: there is no {:.3} s in it, it goes from {:.3} s to {:.3} s",
                    self.model().link().source,
                    second(at_ns),
                    second(first),
                    second(last)
                ),
                "give a time between, or take another recording",
            ));
        }
        self.app
            .world_mut()
            .resource_mut::<Feed>()
            .transport(Transport::Seek(at_ns));
        Ok(())
    }

    fn picture(&mut self) -> Result<RgbImage, Mistake> {
        self.app
            .world_mut()
            .spawn(Screenshot::image(self.target.clone()))
            .observe(|shot: On<ScreenshotCaptured>, mut taken: ResMut<Taken>| {
                taken.0 = Some(shot.image.clone());
            });
        for _ in 0..READBACK {
            self.step(1);
            if let Some(image) = self.app.world_mut().resource_mut::<Taken>().0.take() {
                let dynamic = image.try_into_dynamic().map_err(|error| {
                    Mistake::new(
                        format!("the renderer's picture cannot be read: {error}"),
                        "report it",
                    )
                })?;
                return Ok(dynamic.to_rgb8());
            }
        }
        Err(Mistake::new(
            "the renderer gives no picture back",
            "install a Vulkan driver; in software: Debian's mesa-vulkan-drivers",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::no_data;
    use crate::model::Link;

    #[test]
    fn nothing_to_see_is_said_with_the_remedy_of_the_feed() {
        let mut link = Link {
            source: "127.0.0.1:1".into(),
            trouble: Some("the token is wrong — give another".into()),
            ..Link::default()
        };
        let told = no_data(&link);
        assert_eq!(
            (told.what.as_str(), told.remedy.as_str()),
            ("127.0.0.1:1: the token is wrong", "give another")
        );
        link.trouble = None;
        assert_eq!(no_data(&link).what, "127.0.0.1:1: nothing was heard");
    }
}
