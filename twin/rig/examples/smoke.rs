use bess_devices::hmi::HmiTarget; use bess_devices::library::Library; use bess_rig::*; use bess_types::*; use std::time::{Duration,Instant};
fn main(){
 let config=RigConfig::load("scenarios/rigs/liquid-20ft.toml",&|p|std::fs::read_to_string(p).map_err(|e|e.to_string())).map_err(|e|format!("{}: {} {:?} {}",e.file(),e,e.span(),e.help())).unwrap();
 let rig=Rig::new(&config,&Library::shipped(),Role::Rig).map_err(|e|format!("{}: {} {:?} {}",e.file(),e,e.span(),e.help())).unwrap();
 let mut d=VirtualDriver::new(rig);
 let mut op=|d:&mut VirtualDriver,p:&str,v:f64|{let r=d.rig_mut().command(RigCommand::Operator{target:HmiTarget::Ems,point:p.into(),value:v}); println!("op {p} {v}: {r:?}");};
 let go=|d:&mut VirtualDriver,s:f64|{let t=Instant::now();let n=d.rig().now();let f0=d.rig().counters().frames_sent;d.run(n+Duration::from_secs_f64(s),&mut |_|false).unwrap();let e=t.elapsed().as_secs_f64();println!("-- {} : {:.1}x real, {} frames/s",d.rig().now(),s/e,(d.rig().counters().frames_sent-f0) as f64/s); d.rig_mut().drain_candump(&mut |_,_|{});};
 go(&mut d,12.0);
 op(&mut d,"mode",1.0);op(&mut d,"power-setpoint",855000.0);op(&mut d,"command",1.0);
 for _ in 0..4 {go(&mut d,10.0);}
 go(&mut d,60.0);
 for e in d.rig().events(){println!("{} {:?} {} {} {} {}",e.at,e.source,e.tag,e.point,e.value,e.text);}
 for v in d.rig().violations(){println!("VIOLATION {v:?}");}
 println!("{:?}",d.rig().counters());
 for (t,p) in [("plant:container-01","bus-voltage"),("plant:container-01/cluster-01","current"),("plant:container-01/pcs","active-power"),("plant:container-01/cluster-01","soc")]{ println!("{t} {p} {:?}",d.rig().resolve(t,p).and_then(|k|d.rig().observe(&k)));}
 d.rig_mut().finish(); for v in d.rig().violations(){println!("VIOLATION {v:?}");}
}
