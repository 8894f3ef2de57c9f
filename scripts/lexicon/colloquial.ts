import type { DenotationKind } from './closure.js';

/** Names that stand in for a label, comma separated, with the weight of each pointer, 0..1. */
export interface ColloquialEntry {
  readonly names: string;
  readonly labels: Readonly<Record<string, number>>;
  readonly kind: DenotationKind;
}

/**
 * What people call things in photos and WordNet does not know, or ranks below a sense that photos do not show. An entry
 * here takes the place of all that WordNet says about the name; that of a label adds to the label.
 */
export const colloquial: readonly ColloquialEntry[] = [
  {
    names: 'vehicle,transport,transportation',
    labels: {
      car: 0.8,
      truck: 0.8,
      bus: 0.8,
      motorcycle: 0.7,
      train: 0.7,
      bicycle: 0.6,
      airplane: 0.6,
      boat: 0.6,
    },
    kind: 'hypernym',
  },
  {
    names: 'food,meal,snack',
    labels: {
      pizza: 0.8,
      sandwich: 0.8,
      'hot dog': 0.8,
      cake: 0.8,
      donut: 0.8,
      broccoli: 0.7,
      carrot: 0.7,
      banana: 0.7,
      apple: 0.7,
      orange: 0.7,
      bowl: 0.4,
    },
    kind: 'hypernym',
  },
  {
    names: 'cutlery,utensil,silverware,flatware,tableware',
    labels: { fork: 0.8, knife: 0.8, spoon: 0.8 },
    kind: 'hypernym',
  },
  {
    names: 'appliance,kitchen appliance,home appliance',
    labels: { oven: 0.8, refrigerator: 0.8, microwave: 0.8, toaster: 0.8, 'hair drier': 0.4 },
    kind: 'hypernym',
  },
  {
    names: 'electronics,gadget,electronic device',
    labels: { laptop: 0.7, 'cell phone': 0.7, tv: 0.6, remote: 0.6 },
    kind: 'hypernym',
  },
  {
    // "not holding anything": what hands hold.
    names: 'anything,something',
    labels: {
      'cell phone': 0.6,
      umbrella: 0.6,
      handbag: 0.6,
      'sports ball': 0.6,
      'tennis racket': 0.6,
      'baseball bat': 0.6,
      frisbee: 0.6,
      remote: 0.6,
      cup: 0.5,
      bottle: 0.5,
      'wine glass': 0.5,
      book: 0.5,
      knife: 0.5,
      'hot dog': 0.5,
      suitcase: 0.5,
      surfboard: 0.5,
      skateboard: 0.5,
      toothbrush: 0.5,
      'teddy bear': 0.5,
      kite: 0.4,
      sandwich: 0.4,
      banana: 0.4,
      scissors: 0.4,
    },
    kind: 'hypernym',
  },
  { names: 'pet', labels: { dog: 0.8, cat: 0.8, bird: 0.4 }, kind: 'hypernym' },
  {
    names:
      'guy,dude,man,woman,lady,gal,girl,boy,kid,lil,toddler,baby,infant,male,female,human,someone,somebody,adult,' +
      'grown up,granny,grandma,grandpa,mom,mum,mommy,mama,dad,daddy,bro,buddy,chick,blonde,blond,brunette,redhead,' +
      'batter,catcher,pitcher,umpire,ump,ref,referee,player,keeper,goalie,fielder,skier,surfer,snowboarder,skater,' +
      'skateboarder,boarder,rider,biker,cyclist,bicyclist,motorcyclist,chef,cook,waiter,waitress,cop,officer,soldier,' +
      'anyone,everyone,anybody,everybody,individual,policeman,bride,groom,crowd,people,spectator,pedestrian,jockey,model,kiddo,youngster,teen,teenager,hipster,' +
      'fella,fellow,hero,santa,nurse,cameraman,photographer,passenger,driver,diner,server,bartender,elder,gentleman,' +
      'men,women,child,couple,team,family,audience,customer,golfer,swimmer,runner,hitter,pilot,conductor,guard,' +
      'salesman,worker,clown,twin,sister,brother,mother,father,wife,husband,friend,who',
    labels: { person: 1 },
    kind: 'hyponym',
  },
  { names: 'sofa,loveseat,love seat,settee,futon', labels: { couch: 1 }, kind: 'synonym' },
  {
    names: 'tv,television,tv set,telly,flat screen,tv screen,tele',
    labels: { tv: 1 },
    kind: 'synonym',
  },
  {
    names: 'monitor,computer monitor,computer screen',
    labels: { tv: 0.9, laptop: 0.3 },
    kind: 'hyponym',
  },
  { names: 'screen', labels: { tv: 0.9, laptop: 0.6, 'cell phone': 0.2 }, kind: 'hyponym' },
  { names: 'computer', labels: { laptop: 0.9, tv: 0.6, keyboard: 0.2 }, kind: 'hypernym' },
  { names: 'macbook,pc,notebook computer', labels: { laptop: 1 }, kind: 'hyponym' },
  { names: 'bike', labels: { bicycle: 0.9, motorcycle: 0.7 }, kind: 'synonym' },
  { names: 'cycle', labels: { bicycle: 0.8, motorcycle: 0.6 }, kind: 'synonym' },
  {
    names: 'motorbike,motor bike,scooter,moped,vespa,motor cycle,dirt bike,harley,chopper',
    labels: { motorcycle: 1 },
    kind: 'hyponym',
  },
  {
    names:
      'phone,cellphone,cell,mobile,smartphone,smart phone,iphone,mobile phone,telephone,flip phone',
    labels: { 'cell phone': 1 },
    kind: 'synonym',
  },
  { names: 'fridge,freezer,icebox', labels: { refrigerator: 1 }, kind: 'synonym' },
  {
    names: 'plane,aircraft,airliner,jet,aeroplane,jet plane',
    labels: { airplane: 1 },
    kind: 'synonym',
  },
  { names: 'helicopter', labels: { airplane: 0.4 }, kind: 'hypernym' },
  {
    names: 'pup,puppy,doggy,doggie,pooch,mutt,hound,lab,labrador,husky',
    labels: { dog: 1 },
    kind: 'hyponym',
  },
  { names: 'kitty,kitten,kitty cat,tabby,feline', labels: { cat: 1 }, kind: 'hyponym' },
  { names: 'pony,foal,colt,mare,stallion,mule,donkey', labels: { horse: 0.9 }, kind: 'hyponym' },
  { names: 'lamb,ram,ewe', labels: { sheep: 1 }, kind: 'hyponym' },
  { names: 'goat', labels: { sheep: 0.6 }, kind: 'hypernym' },
  { names: 'calf,bull,steer,ox,oxen,cattle,heifer', labels: { cow: 1 }, kind: 'hyponym' },
  { names: 'buffalo,bison,yak', labels: { cow: 0.6 }, kind: 'hypernym' },
  { names: 'panda,panda bear,polar bear,grizzly,cub', labels: { bear: 1 }, kind: 'hyponym' },
  {
    names: 'teddy,stuffed bear,stuffed animal,stuffed toy,plush',
    labels: { 'teddy bear': 1 },
    kind: 'synonym',
  },
  { names: 'toy bear', labels: { 'teddy bear': 1 }, kind: 'synonym' },
  { names: 'bear', labels: { 'teddy bear': 0.5 }, kind: 'hypernym' },
  { names: 'doll,toy', labels: { 'teddy bear': 0.5 }, kind: 'hypernym' },
  {
    names: 'duck,goose,swan,seagull,gull,pigeon,chicken,hen,rooster,parrot,owl',
    labels: { bird: 1 },
    kind: 'hyponym',
  },
  { names: 'van,minivan', labels: { car: 0.8, truck: 0.7, bus: 0.3 }, kind: 'hyponym' },
  {
    names: 'suv,jeep,taxi,cab,sedan,hatchback,auto,limo,cop car,police car',
    labels: { car: 1 },
    kind: 'hyponym',
  },
  {
    names: 'semi,lorry,pickup,pick up,pickup truck,big rig,fire truck,firetruck',
    labels: { truck: 1 },
    kind: 'hyponym',
  },
  {
    names: 'tractor,trailer,rv,camper',
    labels: { truck: 0.7, car: 0.2, bus: 0.2 },
    kind: 'hypernym',
  },
  { names: 'coach,double decker,double decker bus', labels: { bus: 1 }, kind: 'hyponym' },
  { names: 'engine', labels: { train: 0.7, truck: 0.3, motorcycle: 0.2 }, kind: 'hypernym' },
  {
    names: 'subway,tram,trolley,railcar,caboose,train car',
    labels: { train: 1, bus: 0.2 },
    kind: 'hyponym',
  },
  { names: 'ship,kayak,canoe,sailboat,yacht,ferry,raft', labels: { boat: 1 }, kind: 'hyponym' },
  { names: 'cart,carriage,wagon', labels: { truck: 0.3, car: 0.2 }, kind: 'hypernym' },
  {
    names: 'stop light,stoplight,traffic signal,signal light,signal',
    labels: { 'traffic light': 1 },
    kind: 'synonym',
  },
  { names: 'hydrant,fireplug', labels: { 'fire hydrant': 1 }, kind: 'synonym' },
  { names: 'sign,street sign,road sign', labels: { 'stop sign': 0.7 }, kind: 'hypernym' },
  { names: 'meter', labels: { 'parking meter': 1 }, kind: 'synonym' },
  { names: 'parasol', labels: { umbrella: 1 }, kind: 'synonym' },
  { names: 'bag', labels: { handbag: 0.9, backpack: 0.8, suitcase: 0.7 }, kind: 'hypernym' },
  { names: 'purse,tote,pocketbook,clutch,shoulder bag', labels: { handbag: 1 }, kind: 'synonym' },
  {
    names: 'back pack,rucksack,knapsack,book bag,bookbag',
    labels: { backpack: 1 },
    kind: 'synonym',
  },
  {
    names: 'luggage,baggage,briefcase,trunk,suit case,duffel bag,travel bag',
    labels: { suitcase: 1 },
    kind: 'hyponym',
  },
  { names: 'necktie,bow tie,bowtie', labels: { tie: 1 }, kind: 'synonym' },
  { names: 'disc,disk', labels: { frisbee: 0.9 }, kind: 'synonym' },
  { names: 'ski,skis', labels: { skis: 1 }, kind: 'exact' },
  { names: 'ski pole,pole', labels: { skis: 0.2 }, kind: 'hypernym' },
  {
    names: 'ball,baseball,soccer ball,tennis ball,football,basketball,volleyball,golf ball',
    labels: { 'sports ball': 1 },
    kind: 'synonym',
  },
  { names: 'bat', labels: { 'baseball bat': 1 }, kind: 'synonym' },
  { names: 'mitt,catcher mitt,baseball mitt', labels: { 'baseball glove': 1 }, kind: 'synonym' },
  { names: 'glove', labels: { 'baseball glove': 0.9 }, kind: 'synonym' },
  {
    names: 'racket,racquet,tennis racquet',
    labels: { 'tennis racket': 1 },
    kind: 'synonym',
  },
  { names: 'board', labels: { skateboard: 0.9, surfboard: 0.9, snowboard: 0.9 }, kind: 'hypernym' },
  {
    names: 'surf board,body board,bodyboard,paddle board',
    labels: { surfboard: 1 },
    kind: 'synonym',
  },
  { names: 'snow board', labels: { snowboard: 1 }, kind: 'synonym' },
  { names: 'skate board,longboard', labels: { skateboard: 1 }, kind: 'synonym' },
  { names: 'glass', labels: { 'wine glass': 0.9, cup: 0.9 }, kind: 'hypernym' },
  { names: 'wine,champagne glass,wineglass,goblet', labels: { 'wine glass': 1 }, kind: 'synonym' },
  {
    names: 'mug,coffee cup,coffee mug,coffee,teacup,tea cup,paper cup',
    labels: { cup: 1 },
    kind: 'hyponym',
  },
  {
    names: 'juice,milk,drink,soda,tea,smoothie,beverage',
    labels: { cup: 0.7, bottle: 0.4, 'wine glass': 0.4 },
    kind: 'hypernym',
  },
  {
    names: 'oj,orange juice',
    labels: { cup: 0.8, 'wine glass': 0.4, bottle: 0.3 },
    kind: 'hypernym',
  },
  { names: 'beer', labels: { bottle: 0.8, cup: 0.7, 'wine glass': 0.3 }, kind: 'hypernym' },
  {
    names: 'jar,flask,jug,ketchup,mustard,water bottle,wine bottle,beer bottle',
    labels: { bottle: 0.9 },
    kind: 'hyponym',
  },
  { names: 'carafe', labels: { bottle: 0.5, vase: 0.5, cup: 0.3 }, kind: 'hypernym' },
  { names: 'can,tin', labels: { cup: 0.5, bottle: 0.5 }, kind: 'hypernym' },
  { names: 'dish', labels: { bowl: 0.9, cup: 0.1 }, kind: 'hypernym' },
  {
    names: 'container,pot',
    labels: { bowl: 0.6, vase: 0.4, 'potted plant': 0.4, cup: 0.3 },
    kind: 'hypernym',
  },
  { names: 'soup,salad,cereal,stew', labels: { bowl: 0.8 }, kind: 'hypernym' },
  { names: 'plate,tray', labels: { bowl: 0.4 }, kind: 'hypernym' },
  {
    names: 'bun,burger,hamburger,cheeseburger,sub,hoagie,panini,wrap,burrito',
    labels: { sandwich: 1, 'hot dog': 0.2 },
    kind: 'hyponym',
  },
  { names: 'hotdog,frank,wiener,sausage', labels: { 'hot dog': 1 }, kind: 'synonym' },
  { names: 'slice', labels: { pizza: 0.9, cake: 0.7, sandwich: 0.3 }, kind: 'hypernym' },
  { names: 'toast', labels: { sandwich: 0.5 }, kind: 'hypernym' },
  { names: 'pie', labels: { pizza: 0.7, cake: 0.6 }, kind: 'hypernym' },
  { names: 'dessert', labels: { cake: 0.9, donut: 0.6 }, kind: 'hypernym' },
  { names: 'doughnut,pastry,bagel,cruller', labels: { donut: 0.9, cake: 0.2 }, kind: 'synonym' },
  {
    names: 'cupcake,muffin,birthday cake,brownie,cheesecake',
    labels: { cake: 1 },
    kind: 'hyponym',
  },
  { names: 'tangerine,mandarin,clementine', labels: { orange: 1 }, kind: 'hyponym' },
  { names: 'fruit', labels: { apple: 0.8, banana: 0.8, orange: 0.8 }, kind: 'hypernym' },
  { names: 'vegetable,veggie', labels: { broccoli: 0.9, carrot: 0.9 }, kind: 'hypernym' },
  {
    names: 'seat,stool,armchair,recliner,rocker,bar stool,barstool,wheelchair',
    labels: { chair: 0.9, couch: 0.2, bench: 0.2 },
    kind: 'hyponym',
  },
  {
    names: 'plant,houseplant,house plant,flower pot,flowerpot,planter,fern,potted flower',
    labels: { 'potted plant': 1 },
    kind: 'synonym',
  },
  {
    names: 'flower,rose,bouquet,floral arrangement',
    labels: { 'potted plant': 0.7, vase: 0.6 },
    kind: 'hypernym',
  },
  { names: 'tree,bush,palm', labels: { 'potted plant': 0.3 }, kind: 'hypernym' },
  {
    names: 'mattress,bunk,bunk bed,crib,cot,bedspread,comforter',
    labels: { bed: 0.9 },
    kind: 'hyponym',
  },
  {
    names: 'table,kitchen table,coffee table,picnic table',
    labels: { 'dining table': 1 },
    kind: 'hypernym',
  },
  {
    names: 'desk,counter,countertop,tabletop,tablecloth,table cloth',
    labels: { 'dining table': 0.6 },
    kind: 'hypernym',
  },
  { names: 'commode,urinal,throne,potty,loo', labels: { toilet: 1 }, kind: 'synonym' },
  { names: 'computer mouse', labels: { mouse: 1 }, kind: 'exact' },
  {
    names: 'controller,remote,wiimote,wii remote,wii controller,clicker,wii',
    labels: { remote: 1 },
    kind: 'synonym',
  },
  { names: 'keypad,piano', labels: { keyboard: 0.5 }, kind: 'hypernym' },
  { names: 'stove,range,burner', labels: { oven: 0.9 }, kind: 'synonym' },
  { names: 'basin,washbasin,wash basin,faucet', labels: { sink: 0.9 }, kind: 'synonym' },
  { names: 'watch', labels: { clock: 0.7 }, kind: 'hyponym' },
  {
    names: 'magazine,novel,textbook,notebook',
    labels: { book: 0.9, laptop: 0.1 },
    kind: 'hyponym',
  },
  { names: 'urn', labels: { vase: 0.9 }, kind: 'hyponym' },
  { names: 'shears,scissor', labels: { scissors: 1 }, kind: 'synonym' },
  {
    names: 'blow dryer,blowdryer,hairdryer,hair dryer',
    labels: { 'hair drier': 1 },
    kind: 'synonym',
  },
  { names: 'brush', labels: { toothbrush: 0.6 }, kind: 'hypernym' },
  { names: 'blade,cutter', labels: { knife: 0.8, scissors: 0.3 }, kind: 'hypernym' },
  {
    names:
      'hand,arm,leg,foot,knee,elbow,shoulder,chest,belly,stomach,hair,beard,mustache,moustache,face,finger,thumb,waist,' +
      'forehead,chin,cheek,lap,skin,ponytail,pony tail,wrist,ankle,thigh,butt,bald head,hairdo,braid,bangs,pigtail,dreadlock,haircut,curls',
    labels: { person: 0.6 },
    kind: 'worn',
  },
  {
    names:
      'shirt,t shirt,tshirt,tee,tee shirt,jersey,sweater,hoodie,hoody,hooded sweatshirt,jacket,coat,suit,blazer,vest,' +
      'dress,skirt,shorts,pants,trousers,jeans,slacks,leggings,sock,shoe,boot,sneaker,sandal,hat,cap,helmet,beanie,visor,' +
      'scarf,glasses,sunglasses,specs,goggles,shades,uniform,outfit,apron,robe,bikini,swimsuit,trunks,wetsuit,wet suit,' +
      'gown,blouse,tank top,tank,top,sweatshirt,polo,plaid,stripes,stripe,hood,collar,overalls,pajamas,headband,bandana,' +
      'turban,veil,belt,earring,necklace,bracelet,ring,lanyard,kimono,poncho,cardigan,tuxedo,tux,mask,clothing,clothes,' +
      'sleeve,longsleeve,pullover,fleece,jumper,undershirt,tunic,capris,khakis,sweatpants,headphones,headset,tanktop,haltertop,croptop,tubetop',
    labels: { person: 0.6 },
    kind: 'worn',
  },
  { names: 'nose,eye,mouth,neck,head,body,back,ear', labels: { person: 0.4 }, kind: 'worn' },
  {
    names: 'tail,tusk,horn,mane,hoof,paw,snout,muzzle',
    labels: {
      horse: 0.3,
      cow: 0.3,
      dog: 0.3,
      cat: 0.3,
      sheep: 0.3,
      elephant: 0.3,
      zebra: 0.3,
      giraffe: 0.3,
      bear: 0.3,
    },
    kind: 'worn',
  },
  {
    names: 'wheel,tire,tyre',
    labels: { bicycle: 0.4, motorcycle: 0.4, car: 0.3, truck: 0.3 },
    kind: 'worn',
  },
  { names: 'saddle', labels: { horse: 0.4, bicycle: 0.2 }, kind: 'worn' },
];
